/**
 * The program that `objects.ts` measures: builds a mesh, or the same objects as raw `@pulumi/kubernetes` resources or cdk8s API objects, with the engine
 * mocked, and prints what that cost.
 *
 *     node -r ts-node/register/transpile-only tests/bench/build-objects.ts <mesh | raw | grouped | cdk8s> <file>
 *
 * The file holds the args of a mesh, or the objects that a mesh has made.
 */
import * as fs from "node:fs";
import * as path from "node:path";
import type * as PulumiSdk from "@pulumi/pulumi";
import type * as Kubernetes from "@pulumi/kubernetes";
import type * as Library from "../../src";
import type * as LocalProvider from "../../providers/local";
import { projectRoot } from "../../tools/paths";
import { refereeEnvironment } from "../../tools/referees";

/** One resource as it reached the engine. */
export interface BuiltObject {
  type: string;
  name: string;
  inputs: Record<string, unknown>;
}

/** What a build cost. */
export interface BuildCost {
  cpuSeconds: number;
  wallSeconds: number;
  peakMegabytes: number;
  /** Resources that reached the engine, components among them. */
  resources: number;
  /** Those of a mesh: the objects of the cluster, and the components. */
  custom: BuiltObject[];
  components: BuiltObject[];
  /** Bytes of all inputs as JSON. */
  bytes: number;
}

const dist = path.join(projectRoot, "dist");

async function main([kind = "", file = ""]: string[]): Promise<void> {
  const given: unknown = JSON.parse(fs.readFileSync(file, "utf8"));
  const run = await (kind === "mesh"
    ? mesh(given)
    : kind === "raw" || kind === "grouped"
      ? raw(given as BuiltObject[])
      : Promise.resolve(cdk8s(given as BuiltObject[])));
  const [cpu, wall] = [process.cpuUsage(), performance.now()];
  const built = await run();
  const { user, system } = process.cpuUsage(cpu);
  const cost: BuildCost = {
    cpuSeconds: (user + system) / 1e6,
    wallSeconds: (performance.now() - wall) / 1e3,
    peakMegabytes: process.resourceUsage().maxRSS / 1e3,
    resources: built.length,
    custom: kind === "mesh" ? built.filter(({ type }) => type.startsWith("kubernetes:")) : [],
    components: kind === "mesh" ? built.filter(({ type }) => type.startsWith("compute-mesh:")) : [],
    bytes: JSON.stringify(built.map(({ inputs }) => inputs)).length,
  };
  // Written to the end before the process ends, also where nobody reads at once.
  await new Promise<void>((resolve) => process.stdout.write(JSON.stringify(cost), () => resolve()));
}

type Run = () => Promise<BuiltObject[]>;

async function mesh(args: unknown): Promise<Run> {
  const { ComputeMesh } = (await import(path.join(dist, "src", "index.js"))) as typeof Library;
  const { localProvider } = (await import(path.join(dist, "providers", "local", "index.js"))) as typeof LocalProvider;
  const { pulumi, seen } = await mocked();
  return async () => {
    const nodeProvider = localProvider({ kubeconfig: "apiVersion: v1\n", clusterName: "local" });
    new ComputeMesh("mesh", { ...(args as Library.ComputeMeshArgs), nodeProvider });
    await settle(pulumi, seen);
    return seen;
  };
}

async function raw(objects: readonly BuiltObject[]): Promise<Run> {
  const k8s = (await import("@pulumi/kubernetes")) as typeof Kubernetes;
  const { pulumi, seen } = await mocked();
  class Empty extends pulumi.ComponentResource {
    public constructor(type: string, name: string, inputs: Record<string, unknown>) {
      super(type, name, inputs);
      this.registerOutputs({});
    }
  }
  return async () => {
    const provider = new k8s.Provider("cluster", { kubeconfig: "apiVersion: v1\n" });
    for (const { type, name, inputs } of objects) {
      if (type.startsWith("kubernetes:")) {
        create(k8s, type, name, inputs, { provider });
      } else {
        new Empty(type, name, inputs);
      }
    }
    await settle(pulumi, seen);
    return seen;
  };
}

type Constructor = new (name: string, inputs: Record<string, unknown>, options: PulumiSdk.CustomResourceOptions) => unknown;

function create(
  k8s: typeof Kubernetes,
  type: string,
  name: string,
  inputs: Record<string, unknown>,
  options: PulumiSdk.CustomResourceOptions,
): void {
  const [, group, version, kind] = /^kubernetes:([^/]+)\/([^:]+):(.+)$/.exec(type) ?? [];
  const groups = k8s as unknown as Record<string, Record<string, Record<string, Constructor> | undefined> | undefined>;
  const known = groups[group.split(".")[0]]?.[version]?.[kind];
  const { apiVersion, kind: _kind, ...rest } = inputs;
  if (known === undefined) {
    const custom = { ...rest, apiVersion: String(apiVersion), kind, metadata: rest["metadata"] as object };
    new k8s.apiextensions.CustomResource(name, custom, options);
  } else {
    new known(name, rest, options);
  }
}

/** The engine mocked in the same way for both: it keeps what comes and answers with it. */
async function mocked(): Promise<{ pulumi: typeof PulumiSdk; seen: BuiltObject[] }> {
  const pulumi = (await import("@pulumi/pulumi")) as typeof PulumiSdk;
  const seen: BuiltObject[] = [];
  const newResource = ({ type, name, inputs }: PulumiSdk.runtime.MockResourceArgs): { id: string; state: Record<string, unknown> } => {
    seen.push({ type, name, inputs: inputs as Record<string, unknown> });
    return { id: `${name}-id`, state: inputs as Record<string, unknown> };
  };
  await pulumi.runtime.setMocks({ newResource, call: ({ inputs }) => inputs as Record<string, unknown> }, "project", "stack", false);
  return { pulumi, seen };
}

async function settle(pulumi: typeof PulumiSdk, seen: readonly unknown[]): Promise<void> {
  for (let idle = 0, before = -1; idle < 3;) {
    // Exported but marked @internal, hence the cast.
    await (pulumi.runtime as unknown as { waitForRPCs(): Promise<void> }).waitForRPCs();
    await new Promise((resolve) => setImmediate(resolve));
    idle = seen.length === before ? idle + 1 : 0;
    before = seen.length;
  }
}

interface Cdk8s {
  App: new () => { synthYaml(): string };
  Chart: new (app: unknown, id: string) => unknown;
  ApiObject: new (chart: unknown, id: string, manifest: Record<string, unknown>) => unknown;
}

/** The floor of TypeScript that makes manifests: no engine, no state, no types of the objects. */
function cdk8s(objects: readonly BuiltObject[]): Run {
  const { App, Chart, ApiObject } = require(path.join(refereeEnvironment()["BENCH_PEERS"] ?? "", "cdk8s")) as Cdk8s;
  return () => {
    const app = new App();
    const chart = new Chart(app, "mesh");
    objects.forEach(({ inputs }, index) => new ApiObject(chart, `object-${index}`, inputs));
    app.synthYaml();
    return Promise.resolve([...objects]);
  };
}

main(process.argv.slice(2)).then(
  () => process.exit(0),
  (error: unknown) => {
    process.stderr.write(`${error instanceof Error ? (error.stack ?? "") : String(error)}\n`);
    process.exit(1);
  },
);
