/** Row 2: a mesh through the real engine beside the same objects as raw `@pulumi/kubernetes` resources in the same order. */
import * as fs from "node:fs";
import * as path from "node:path";
import { type BuiltObject } from "./build-objects";
import { testCluster } from "../support/cluster";
import { type TestStack, testStack, type Verb } from "../support/pulumi";
import { succeeded } from "../support/pulumi-events";
import { meshOfSize } from "./meshes";
import { build } from "./objects";
import type { ResultTable } from "./results";

/** What is measured, in this order, on one stack after the other. */
const steps: [what: string, verb: Verb][] = [
  ["preview", "preview"],
  ["up", "up"],
  ["preview of no change", "preview"],
  ["up of no change", "up"],
  ["destroy", "destroy"],
];

const meshProgram = `import * as fs from "node:fs";
import * as pulumi from "@pulumi/pulumi";
import { ComputeMesh } from "compute-mesh";
import { localProvider } from "compute-mesh/providers/local";
const config = new pulumi.Config();
const nodeProvider = localProvider({ kubeconfig: config.require("kubeconfig"), clusterName: "test" });
new ComputeMesh("mesh", { nodeProvider, ...JSON.parse(fs.readFileSync(config.require("given"), "utf8")) });
`;

/** Waves as the mesh has them: nodes, namespace, databases, what fills and keeps them, services, routes. */
const rawProgram = `import * as fs from "node:fs";
import * as pulumi from "@pulumi/pulumi";
import * as k8s from "@pulumi/kubernetes";
const config = new pulumi.Config();
const objects = JSON.parse(fs.readFileSync(config.require("given"), "utf8"));
const provider = new k8s.Provider("cluster", { kubeconfig: fs.readFileSync(config.require("kubeconfig"), "utf8"), enableServerSideApply: true, enableConfigMapMutable: true, enableSecretMutable: true });
const waves = [/:Node$/, /:Namespace$/, /^mesh-(db|topic)/, /^mesh-(ingest|snapshots)/, /^mesh-service/, /^mesh-routes/];
let before: pulumi.Resource[] = [];
for (const wave of waves) {
  const made = objects.filter(({ type, name }: any) => wave.test(type) || wave.test(name)).map(({ type, name, inputs }: any) => {
    const [, group, version, kind] = /^kubernetes:([^/]+)\\/([^:]+):(.+)$/.exec(type)!;
    const Known = (k8s as any)[group.split(".")[0]]?.[version]?.[kind];
    const options = { provider, dependsOn: before };
    return Known ? new Known(kind + "-" + name, inputs, options) : new k8s.apiextensions.CustomResource(kind + "-" + name, inputs, options);
  });
  before = made.length > 0 && made.length < 20 ? made : made.slice(-20);
}
`;

/** Measures meshes of so many nodes on an embedded cluster; what is known after each size, so that it is kept where a larger one takes too long. */
export async function* benchEngine(say: (text: string) => void, sizes: readonly number[]): AsyncGenerator<ResultTable[]> {
  const cluster = await testCluster({ name: "bench", crds: ["gateway-api", "kgateway"] });
  const rows: ResultTable["rows"] = [];
  try {
    for (const nodes of sizes) {
      const args = { ...meshOfSize({ nodes, shards: 64 }), database: { ...meshOfSize({}).database, dataProtection: { protect: false } } };
      const folder = fs.mkdtempSync(path.join(path.dirname(cluster.kubeconfigPath), "bench-"));
      const [mesh, objects] = ["mesh.json", "objects.json"].map((name) => path.join(folder, name));
      fs.writeFileSync(mesh, JSON.stringify(args));
      const built: BuiltObject[] = build("mesh", mesh).custom;
      fs.writeFileSync(objects, JSON.stringify(built));
      say(`${nodes} nodes as a mesh`);
      const ours = await measure(meshProgram, { kubeconfig: cluster.kubeconfigPath, given: mesh }, say);
      say(`${nodes} nodes as raw resources`);
      const raw = await measure(rawProgram, { kubeconfig: cluster.kubeconfigPath, given: objects }, say);
      steps.forEach(([what], index) =>
        rows.push([nodes, what, ours.seconds[index], raw.seconds[index], ours.seconds[index] / raw.seconds[index]]),
      );
      rows.push([nodes, "state, KiB", ours.kibibytes, raw.kibibytes, ours.kibibytes / raw.kibibytes]);
      rows.push([nodes, "resources", ours.resources, raw.resources, ours.resources / raw.resources]);
      yield [tableOf(rows)];
    }
  } finally {
    await cluster.stop();
  }
}

const tableOf = (rows: ResultTable["rows"]): ResultTable => ({
  title: "The engine: a mesh beside the same objects as raw resources",
  head: ["nodes", "what", "compute-mesh", "raw @pulumi/kubernetes", "ratio"],
  rows,
  notes: [
    "Seconds where nothing else is said, of the whole command, file backend without checkpoints, nodes simulated. Both wait for every workload, in the same order; " +
      "what a `destroy` and an `up` take is mostly waiting for the cluster. The mesh registers its components as well; they are as many whatever its size.",
  ],
});

async function measure(
  typescript: string,
  config: Record<string, string>,
  say: (text: string) => void,
): Promise<{ seconds: number[]; kibibytes: number; resources: number }> {
  const stack: TestStack = await testStack({ program: { typescript }, config, env: { PULUMI_SKIP_CHECKPOINTS: "true" } });
  const seconds: number[] = [];
  let [kibibytes, resources] = [0, 0];
  try {
    for (const [what, verb] of steps) {
      const began = performance.now();
      succeeded(await stack[verb]());
      seconds.push((performance.now() - began) / 1000);
      say(`  ${what}: ${seconds[seconds.length - 1].toFixed(1)} s`);
      if (what === "up") {
        kibibytes = (await stack.exportText()).length / 1024;
        resources = (await stack.export()).deployment.resources?.length ?? 0;
      }
    }
  } finally {
    await stack.dispose();
  }
  return { seconds, kibibytes, resources };
}
