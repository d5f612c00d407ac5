/** Islands: what each instance deploys, and that routes lead to it. */
import { localProvider } from "../../../providers/local";
import { ComputeMesh, type ComputeMeshArgs, GlooRoutes, Islands, type IslandsArgs } from "../../../src";
import type { Island, IslandType } from "../../../src/model/routes";
import { islandGroup as group, islandNode as node, islandSnapshot as snapshot } from "../../support/island-parts";
import { localMesh } from "../../support/local-stack";
import { failureOf, type Recorder, startMocks } from "../../support/mocks";

const prices = {
  name: "prices",
  port: 8080,
  versions: { v1: { image: "acme/prices:1.4.2", snapshots: [snapshot], env: { REGION: "eu" } } },
};
const cell: IslandType = {
  name: "cell",
  services: [{ name: "jobs", port: 81 }],
  workloads: [prices],
  routes: [
    { name: "prices", match: [{ prefix: "/prices" }, { prefix: "/prices", snapshot: "each" }], to: [{ own: "prices", snapshot }] },
    { name: "jobs", match: [{ prefix: "/jobs" }], to: [{ own: "jobs" }] },
  ],
};
const region: IslandType = { name: "region", routes: [], islands: [{ name: "c1", type: "cell", match: { prefix: "/c1" } }] };
const islands: Island[] = [
  { name: "eu", type: "cell", match: { prefix: "/eu" } },
  { name: "us", type: "region", match: { prefix: "/us" } },
];

function args(more: Partial<IslandsArgs> = {}): IslandsArgs {
  return { namespace: "mesh", islandTypes: [cell, region], islands, nodes: [node], snapshotGroups: [group], ...more };
}
const shape = (recorder: Recorder): string[] => recorder.resources.map(({ parent, type, name }) => `${parent} > ${type} ${name}`).sort();

describe("Islands", () => {
  let recorder: Recorder;
  beforeEach(async () => {
    recorder = await startMocks();
  });
  afterEach(() => recorder.settle());
  const refusal = (more: Partial<IslandsArgs>): string => failureOf(() => new Islands("cells", args(more)));

  it("deploy every workload of their type once for each instance, inner ones too", async () => {
    const cells = new Islands("cells", args());
    await recorder.settle(cells);
    const inside = (service: string): string[] => [
      `cells > compute-mesh:index:VersionedService cells-${service}`,
      `cells-${service} > kubernetes:apps/v1:DaemonSet cells-${service}-v1-${snapshot}`,
      `cells-${service} > kubernetes:core/v1:Service cells-${service}-v1-${snapshot}`,
      `cells-${service} > kubernetes:policy/v1:PodDisruptionBudget cells-${service}-v1-${snapshot}`,
    ];
    expect(shape(recorder)).toEqual([" > compute-mesh:index:Islands cells", ...inside("eu-prices"), ...inside("us-c1-prices")].sort());
    const daemonSet = recorder.named(`cells-us-c1-prices-v1-${snapshot}`, "kubernetes:apps/v1:DaemonSet").inputs;
    expect(daemonSet.metadata.name).toBe(`us-c1-prices-v1-${snapshot}`);
    expect(daemonSet.spec.template.spec.containers[0].env).toEqual(
      expect.arrayContaining([
        { name: "REGION", value: "eu" },
        { name: "MESH_ISLAND", value: "us-c1" },
        { name: "MESH_SERVICE", value: "us-c1-prices" },
      ]),
    );
  });

  it("show policies the names of the nodes, not all their labels", async () => {
    await recorder.settle(new Islands("cells", args()));
    expect(recorder.named("cells", "compute-mesh:index:Islands").inputs).toMatchObject({ nodes: [node.name], namespace: "mesh" });
  });

  it("are reached by routes with the same lists", async () => {
    const cells = new Islands("cells", args());
    const { islandTypes } = args();
    const edge = new GlooRoutes("edge", { namespace: "mesh", hosts: ["a.test"], routes: [], islandTypes, islands, services: cells.facts });
    await recorder.settle(edge);
    expect(edge.facts.routes.map(({ name, destination, witness }) => [name, destination, witness])).toEqual(
      ["eu", "us-c1"].flatMap((island) => {
        const path = `http://a.test/${island.replace("-", "/")}`;
        return [
          [`${island}-jobs`, `Service ${island}-jobs:81`, `GET ${path}/jobs`],
          [`${island}-prices`, `${island}-prices v1`, `GET ${path}/prices [x-mesh-snapshot: ${snapshot}]`],
        ];
      }),
    );
  });

  it("keep the names of the others when one comes or goes", async () => {
    await recorder.settle(new Islands("cells", args()));
    const before = shape(recorder);
    recorder = await startMocks();
    const more: Island = { name: "ap", type: "cell", match: { prefix: "/ap" } };
    await recorder.settle(new Islands("cells", args({ islands: [more, ...islands] })));
    expect(shape(recorder).filter((line) => !line.includes("ap-prices"))).toEqual(before);
  });

  it.each<[string, Partial<IslandsArgs>, string]>([
    [
      "a wrong workload, with the instance and the property",
      { islandTypes: [{ ...cell, workloads: [{ ...prices, port: 0 }] }, region] },
      "islands[0] (eu), type cell: workloads[0].port: 0 is not allowed",
    ],
    [
      "an unknown snapshot group",
      { islandTypes: [{ ...cell, workloads: [{ ...prices, snapshotGroup: "hurly" }] }, region] },
      'workloads[0].snapshotGroup: "hurly" is not allowed: perhaps hourly is meant; known groups are hourly',
    ],
    [
      "one name for a Service and a workload",
      { islandTypes: [{ ...cell, services: [{ name: "prices", port: 1 }] }, region] },
      'islandTypes[0].workloads[0].name: "prices" is not allowed: another name is needed',
    ],
    [
      "instances that one request reaches",
      { islands: [islands[0], { ...islands[0], name: "eu2" }] },
      "a matcher that no other island has is needed",
    ],
    [
      "nothing to deploy",
      { islandTypes: [{ ...cell, workloads: [], routes: [] }, region] },
      "at least one instance with a workload is needed",
    ],
    [
      "a version of a Service without versions",
      { islandTypes: [{ ...cell, routes: [{ name: "j", match: [{}], to: [{ own: "jobs", version: "v1" }] }] }, region] },
      'to[0].version: "v1" is not allowed: only a workload of the type has versions and snapshots',
    ],
  ])("refuse %s", (_what, more, message) => {
    expect(refusal(more)).toContain(message);
  });

  it("are deployed by a mesh with its own nodes, database and shards", async () => {
    const mesh = localMesh();
    Object.assign(mesh.routes, { islandTypes: [cell, region], islands });
    const nodeProvider = localProvider({ kubeconfig: "apiVersion: v1\n", clusterName: "local", region: "local-1" });
    const made = new ComputeMesh("mesh", { nodeProvider, ...mesh } as ComputeMeshArgs);
    await recorder.settle(made);
    const services = recorder.byType("compute-mesh:index:VersionedService").map(({ name }) => name);
    expect(services.sort()).toEqual(["mesh-service-eu-prices", "mesh-service-prices", "mesh-service-us-c1-prices"]);
    expect(made.summary.routes.map(({ name }) => name)).toEqual(expect.arrayContaining(["eu-prices", "us-c1-prices", "prices-newest"]));
    const env = recorder.named(`mesh-service-eu-prices-v1-${snapshot}`, "kubernetes:apps/v1:DaemonSet").inputs.spec.template.spec
      .containers[0].env;
    expect(env.map((one: { name: string }) => one.name)).toEqual(
      expect.arrayContaining(["MESH_ISLAND", "DATABASE_HOST", "MESH_SHARD_COUNT"]),
    );
  });

  it("of a mesh cannot take the name of one of its services", () => {
    const mesh = localMesh();
    mesh.services["eu-prices"] = mesh.services.prices;
    Object.assign(mesh.routes, { islandTypes: [cell, region], islands });
    const nodeProvider = localProvider({ kubeconfig: "apiVersion: v1\n", clusterName: "local", region: "local-1" });
    expect(failureOf(() => new ComputeMesh("mesh", { nodeProvider, ...mesh } as ComputeMeshArgs))).toContain(
      'routes.islands[0] (eu), type cell: workloads[0]: "eu-prices" is not allowed: another name is needed: a service of the mesh has this one',
    );
  });
});
