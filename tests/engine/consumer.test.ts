/** The library as others use it: the packed tarball, installed into a folder outside the repository, imported by a program there. */
import { execFile } from "node:child_process";
import * as fs from "node:fs";
import * as os from "node:os";
import * as path from "node:path";
import { promisify } from "node:util";
import { projectRoot } from "../../tools/paths";
import { testCluster, type TestCluster } from "../support/cluster";
import { type TestStack, testStack } from "../support/pulumi";

const run = promisify(execFile);
const { devDependencies: pins } = JSON.parse(fs.readFileSync(path.join(projectRoot, "package.json"), "utf8")) as {
  devDependencies: Record<string, string>;
};

let folder: string;
let cluster: TestCluster;
let stack: TestStack | undefined;

beforeAll(async () => {
  folder = fs.mkdtempSync(path.join(os.tmpdir(), "compute-mesh-consumer-"));
  // --ignore-scripts: what is packed is what `npm ci` has built; a build beside running tests would change files under them.
  await run("npm", ["pack", "--ignore-scripts", "--pack-destination", folder], { cwd: projectRoot });
  const tarball = fs.readdirSync(folder).find((name) => name.endsWith(".tgz")) as string;
  const dependencies = {
    "compute-mesh": `file:./${tarball}`,
    ...Object.fromEntries(
      ["@pulumi/pulumi", "@pulumi/kubernetes", "typescript", "ts-node", "@types/node"].map((name) => [name, pins[name]]),
    ),
  };
  write("package.json", JSON.stringify({ name: "consumer", private: true, main: "index.ts", dependencies }));
  write("Pulumi.yaml", "name: consumer\nruntime: nodejs\n");
  write(
    "tsconfig.json",
    JSON.stringify({
      compilerOptions: {
        target: "ES2022",
        module: "commonjs",
        moduleResolution: "node",
        strict: true,
        types: ["node"],
        skipLibCheck: true,
      },
    }),
  );
  write("index.ts", program);
  await run("npm", ["install", "--no-audit", "--no-fund", "--prefer-offline"], { cwd: folder });
  cluster = await testCluster({ name: "consumer", crds: ["gateway-api", "kgateway"] });
}, 600_000);

afterAll(async () => {
  await stack?.dispose();
  await cluster?.stop();
  fs.rmSync(folder, { recursive: true, force: true });
}, 60_000);

function write(name: string, text: string): void {
  fs.writeFileSync(path.join(folder, name), text);
}

describe("the packed library", () => {
  it("holds only what users need", () => {
    const installed = path.join(folder, "node_modules", "compute-mesh");
    expect(fs.readdirSync(installed).sort()).toEqual(["CHANGELOG.md", "LICENSE", "README.md", "dist", "package.json", "schemas"]);
    expect(fs.readdirSync(path.join(installed, "dist")).sort()).toEqual(["providers", "src"]);
  });

  it("type-checks in a strict program, with the module resolution of Pulumi's own templates", async () => {
    await run("npx", ["--no-install", "tsc", "--noEmit", "-p", "."], { cwd: folder });
  }, 120_000);

  it("refuses a wrong property at compile time", async () => {
    write(
      "wrong.ts",
      `import { ComputeMeshArgs } from "compute-mesh";\nexport const shards: ComputeMeshArgs["shards"] = { count: "16" };\n`,
    );
    await expect(run("npx", ["--no-install", "tsc", "--noEmit", "-p", "."], { cwd: folder })).rejects.toMatchObject({
      stdout: expect.stringContaining("Type 'string' is not assignable to type 'number'"),
    });
    fs.rmSync(path.join(folder, "wrong.ts"));
  }, 120_000);

  it("can be imported by ES modules", async () => {
    const script = `import { ComputeMesh, model } from "compute-mesh"; import { isSnapshotId } from "compute-mesh/model"; import { localProvider } from "compute-mesh/providers/local";
      console.log(typeof ComputeMesh, model.isSnapshotId === isSnapshotId, typeof localProvider);`;
    write("check.mjs", script);
    expect((await run("node", ["check.mjs"], { cwd: folder })).stdout.trim()).toBe("function true function");
  }, 60_000);

  it("loads no node provider and no cloud SDK by itself", async () => {
    const script = `require("compute-mesh"); console.log(Object.keys(require.cache).filter((f) => /compute-mesh.dist.providers|@pulumi.(aws|gcp|azure)|client-node/.test(f)).join("\\n"));`;
    expect((await run("node", ["-e", script], { cwd: folder })).stdout.trim()).toBe("");
  }, 60_000);

  it("deploys from a folder outside the repository, then has nothing to change", async () => {
    stack = await testStack({ program: folder, config: { kubeconfig: cluster.kubeconfigPath } });
    const up = await stack.up();
    expect({ code: up.code, text: up.text }).toMatchObject({ code: 0 });
    const { body } = await cluster.request("GET", "/apis/apps/v1/namespaces/quotes/daemonsets");
    const ready = (body as any).items.map((one: any) => [one.metadata.name, one.status.numberReady]);
    expect(ready.sort()).toEqual([
      ["prices-v1-20261121t0600z", 2],
      ["quotes-db", 2],
      ["quotes-ingest", 2],
      ["quotes-snapshots-hourly", 2],
    ]);
    expect((await stack.preview()).steps).toEqual([]);
  }, 240_000);
});

const program = `import * as fs from "node:fs";
import * as pulumi from "@pulumi/pulumi";
import { ComputeMesh } from "compute-mesh";
import { localProvider } from "compute-mesh/providers/local";

const kubeconfig = fs.readFileSync(new pulumi.Config().require("kubeconfig"), "utf8");
const mesh = new ComputeMesh("quotes", {
  nodeProvider: localProvider({ kubeconfig, clusterName: "consumer" }),
  nodes: { "n-1": { spec: { zone: "eu-1a" } }, "n-2": { spec: { zone: "eu-1b" } } },
  shards: { count: 4, replicas: 2 },
  topics: { orders: { partitions: 4 } },
  kafka: { brokers: ["kafka-bootstrap.kafka.svc:9092"] },
  database: { memory: "8Gi", storage: { memory: { size: "4Gi" } } },
  snapshots: { hourly: { schedule: "0 * * * *", keep: { last: 24 }, store: { s3: { bucket: "snapshots" } }, snapshots: ["20261121t0600z"] } },
  services: { prices: { snapshotGroup: "hourly", port: 8080, awaitReady: true, versions: { v1: { image: "example.com/prices:1.4.0", snapshots: ["20261121t0600z"] } } } },
  routes: { hosts: ["mesh.example.com"], routes: [{ name: "prices", match: [{ prefix: "/prices", snapshot: "20261121t0600z" }], to: [{ service: { service: "prices" } }] }] },
});
export const summary = mesh.summary;
`;
