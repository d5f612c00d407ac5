import { execFileSync, spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import * as pulumi from "@pulumi/pulumi";
import { createNodeIdentity, type NodeIdentityParts, readNodeLabelScript } from "../../../src/kubernetes/node-identity";
import { maxConfigMapBytes, type NodeIdentityPlan, planNodeIdentity } from "../../../src/kubernetes/node-identity-plan";
import { Problems } from "../../../src/model/errors";
import { createShardMap, type ShardMap } from "../../../src/model/shard-map";
import type { MeshNodeFacts } from "../../../src/model/topology";
import { type Recorder, startMocks, valueOf } from "../../support/mocks";
import { meshNodeFacts as node } from "../../support/topologies";

const shardMap = createShardMap(
  [
    ["a", "b"],
    ["b", "a"],
    ["a", "b"],
  ],
  2,
);

function plan(nodes: MeshNodeFacts[], map: ShardMap = shardMap): { plan: NodeIdentityPlan; problems: string[] } {
  const problems = new Problems("x");
  const planned = planNodeIdentity(problems, "ingest", nodes, map);
  return { plan: planned, problems: problems.all.map((problem) => `${problem.path}: ${problem.given}: ${problem.allowed}`) };
}

async function create(identity: NodeIdentityPlan, serviceAccountName?: string): Promise<{ recorder: Recorder; parts: NodeIdentityParts }> {
  const recorder = await startMocks();
  const parent = new pulumi.ComponentResource("test:index:Parent", "parent");
  const parts = createNodeIdentity(parent, "ingest", {
    namespace: "demo",
    plan: identity,
    ...(serviceAccountName === undefined ? {} : { serviceAccountName }),
  });
  await recorder.settle();
  return { recorder, parts };
}

describe("the plan of node files", () => {
  it("keys the files by Kubernetes node name where all are known", () => {
    const { plan: identity, problems } = plan([node("b", "ip-10-0-0-2.internal"), node("a", "ip-10-0-0-1.internal")]);
    expect(problems).toEqual([]);
    expect(identity.mode).toBe("nodeName");
    expect(identity.configMapName).toBe("ingest-shards");
    expect(identity.files).toEqual({
      "ip-10-0-0-1.internal": "MESH_NODE=a\nMESH_SHARDS=0,1,2\nMESH_PRIMARY_SHARDS=0,2\n",
      "ip-10-0-0-2.internal": "MESH_NODE=b\nMESH_SHARDS=0,1,2\nMESH_PRIMARY_SHARDS=1\n",
    });
  });

  it("keys the files by mesh node where one Kubernetes name is unknown", () => {
    const { plan: identity } = plan([node("a", "ip-10-0-0-1.internal"), node("b")]);
    expect(identity.mode).toBe("nodeLabel");
    expect(Object.keys(identity.files)).toEqual(["a", "b"]);
  });

  it("does not depend on the order of the nodes, and changes its hash with the owners", () => {
    expect(plan([node("a"), node("b")]).plan).toEqual(plan([node("b"), node("a")]).plan);
    const moved = createShardMap(
      [
        ["b", "a"],
        ["b", "a"],
        ["a", "b"],
      ],
      2,
    );
    expect(plan([node("a"), node("b")], moved).plan.hash).not.toBe(plan([node("a"), node("b")]).plan.hash);
  });

  it("gives a node without shards empty lists", () => {
    expect(plan([node("a"), node("b"), node("idle")]).plan.files["idle"]).toBe("MESH_NODE=idle\nMESH_SHARDS=\nMESH_PRIMARY_SHARDS=\n");
  });

  it("reports wrong nodes and strangers in the shard map together", () => {
    const other = { ...node("c", "k-1"), selector: { other: "x" } };
    expect(plan([node("a", "k-1"), node("a", "k-2"), other]).problems).toEqual([
      'nodes[1].name: "a": it is taken already by nodes[0].name',
      'nodes[2].kubernetesNodeName: "k-1": it is taken already by nodes[0].kubernetesNodeName',
      expect.stringContaining("the selectors of all nodes must share a label"),
      'shardMap: ["b"]: only the given nodes can own shards: a, a, c',
    ]);
    expect(plan([]).problems).toEqual(["nodes: []: at least one mesh node is needed"]);
  });

  it("refuses more than a ConfigMap holds", () => {
    const huge = createShardMap(
      Array.from({ length: 60_000 }, () => ["a", "b", "c"]),
      3,
    );
    const { problems } = plan([node("a"), node("b"), node("c")], huge);
    expect(problems).toEqual([
      expect.stringMatching(/^shardMap: "3 keys with \d+ bytes": a ConfigMap holds at most 1Mi; fewer nodes or shards/),
    ]);
    expect(maxConfigMapBytes).toBe(1048576);
  });
});

describe("pods where all Kubernetes names are known", () => {
  it("mount their own key and get no access to the API server", async () => {
    const { recorder, parts } = await create(plan([node("a", "k-1"), node("b", "k-2")]).plan);
    expect(recorder.resources.filter((resource) => resource.custom).map((resource) => resource.name)).toEqual(["ingest-shards"]);
    expect(recorder.named("ingest-shards").inputs.metadata).toMatchObject({ name: "ingest-shards", namespace: "demo" });
    expect(parts.initContainers).toEqual([]);
    expect(parts.serviceAccountName).toBeUndefined();
    expect(parts.env).toEqual([{ name: "NODE_NAME", valueFrom: { fieldRef: { fieldPath: "spec.nodeName" } } }]);
    expect(parts.volumeMounts).toEqual([
      { name: "node-identity", mountPath: "/etc/compute-mesh/node.env", subPathExpr: "$(NODE_NAME)", readOnly: true },
    ]);
    expect(await valueOf(pulumi.output(parts.volumes))).toEqual([{ name: "node-identity", configMap: { name: "ingest-shards" } }]);
  });
});

describe("pods that must read the label of their Node", () => {
  it("may get Nodes and nothing else, with a token in the init container only", async () => {
    const { recorder, parts } = await create(plan([node("a"), node("b")]).plan);
    expect(recorder.childrenOf("parent")).toEqual([
      "ingest-node-reader",
      "ingest-node-reader-binding",
      "ingest-service-account",
      "ingest-shards",
    ]);
    expect(recorder.named("ingest-service-account").inputs.automountServiceAccountToken).toBe(false);
    expect(recorder.named("ingest-node-reader").inputs).toMatchObject({
      metadata: { name: "compute-mesh:demo:ingest:node-reader" },
      rules: [{ apiGroups: [""], resources: ["nodes"], verbs: ["get"] }],
    });
    expect(recorder.named("ingest-node-reader-binding").inputs).toMatchObject({
      roleRef: { kind: "ClusterRole", name: "compute-mesh:demo:ingest:node-reader" },
      subjects: [{ kind: "ServiceAccount", name: "ingest", namespace: "demo" }],
    });
    const [reader] = parts.initContainers as { image: string; volumeMounts: { name: string }[]; securityContext: object }[];
    expect(reader?.image).toBe("docker.io/curlimages/curl:8.11.1");
    expect(reader?.volumeMounts.map((mount) => mount.name)).toEqual(["node-identity", "shards", "node-reader-access"]);
    expect(reader?.securityContext).toMatchObject({ runAsNonRoot: true, runAsUser: 10001, readOnlyRootFilesystem: true });
    expect(parts.volumeMounts).toEqual([{ name: "node-identity", mountPath: "/etc/compute-mesh", readOnly: true }]);
  });

  it("use the ServiceAccount that the workload has", async () => {
    const { recorder } = await create(plan([node("a"), node("b")]).plan, "own");
    expect(recorder.byType("kubernetes:core/v1:ServiceAccount")).toEqual([]);
    expect(recorder.named("ingest-node-reader-binding").inputs.subjects).toEqual([
      { kind: "ServiceAccount", name: "own", namespace: "demo" },
    ]);
  });
});

describe("the script that reads the label", () => {
  let folder: string;

  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), "node-identity-"));
    mkdirSync(join(folder, "bin"));
    mkdirSync(join(folder, "access"));
    mkdirSync(join(folder, "shards"));
    writeFileSync(join(folder, "access/token"), "t0ken");
    writeFileSync(join(folder, "shards/node-a"), "MESH_NODE=node-a\n");
    // In place of curl: keeps its arguments and its standard input, answers from a file.
    writeFileSync(join(folder, "bin/curl"), `#!/bin/sh\necho "$@" > ${folder}/arguments\ncat > ${folder}/config\ncat ${folder}/answer\n`, {
      mode: 0o755,
    });
  });
  afterEach(() => rmSync(folder, { recursive: true }));

  const run = (metadata: object, pretty = true): { status: number | null; stderr: string } => {
    const answer = { kind: "PartialObjectMetadata", apiVersion: "meta.k8s.io/v1", metadata };
    writeFileSync(join(folder, "answer"), JSON.stringify(answer, undefined, pretty ? 2 : 0));
    return spawnSync("sh", ["-c", readNodeLabelScript], {
      encoding: "utf8",
      env: {
        PATH: `${join(folder, "bin")}:${process.env["PATH"] ?? ""}`,
        NODE_NAME: "ip-10-0-0-1",
        KUBERNETES_SERVICE_HOST: "fd00::1",
        KUBERNETES_SERVICE_PORT: "443",
        API_ACCESS: join(folder, "access"),
        SHARD_FILES: join(folder, "shards"),
        NODE_FILE: join(folder, "node.env"),
      },
    });
  };

  it("is valid shell", () => {
    execFileSync("sh", ["-n"], { input: readNodeLabelScript });
  });

  it("copies the file of the labelled mesh node, whatever annotations quote", () => {
    const quoted = '{"metadata":{"labels":{"compute-mesh.dev/node":"other"}}}';
    const metadata = {
      annotations: { "compute-mesh.dev/node": "annotation", "last-applied": quoted },
      labels: { "compute-mesh.dev/mesh": "demo", "compute-mesh.dev/node": "node-a", "x/compute-mesh.dev/node": "wrong" },
      managedFields: [{ fieldsV1: { "f:labels": { "f:compute-mesh.dev/node": {} } } }],
    };
    expect(run(metadata)).toMatchObject({ status: 0, stderr: "" });
    expect(readFileSync(join(folder, "node.env"), "utf8")).toBe("MESH_NODE=node-a\n");
    expect(readFileSync(join(folder, "arguments"), "utf8")).toContain("https://[fd00::1]:443/api/v1/nodes/ip-10-0-0-1?pretty=true");
  });

  it("keeps the token out of the arguments, which every process of the node can see", () => {
    run({ labels: { "compute-mesh.dev/node": "node-a" } });
    expect(readFileSync(join(folder, "arguments"), "utf8")).not.toContain("t0ken");
    expect(readFileSync(join(folder, "config"), "utf8")).toBe('header = "Authorization: Bearer t0ken"\n');
  });

  it("says so where the label is missing", () => {
    expect(run({ labels: { "kubernetes.io/os": "linux" } })).toMatchObject({
      status: 1,
      stderr: "the Kubernetes node ip-10-0-0-1 has no label compute-mesh.dev/node\n",
    });
  });

  it("gives no shards to a node that the shard map does not name", () => {
    expect(run({ labels: { "compute-mesh.dev/node": "node-z" } })).toMatchObject({
      status: 0,
      stderr: "the shard map does not name the mesh node node-z of the Kubernetes node ip-10-0-0-1: it has no shards\n",
    });
    expect(readFileSync(join(folder, "node.env"), "utf8")).toBe("MESH_NODE=node-z\nMESH_SHARDS=\nMESH_PRIMARY_SHARDS=\n");
  });
});
