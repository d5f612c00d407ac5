/** Row 4: what the library costs whoever imports it, beside `@pulumi/kubernetes` alone. */
import { spawnSync } from "node:child_process";
import * as fs from "node:fs";
import * as os from "node:os";
import * as path from "node:path";
import { projectRoot } from "../../tools/paths";
import { inlineProgram } from "../support/pulumi-program";
import { inOwnProcess } from "./own-process";
import { median } from "./report";
import type { ResultTable } from "./results";

const rounds = 7;

/** Both touch the same kinds of objects: `@pulumi/kubernetes` loads a kind only when it is asked for. */
const rawImport = `const k8s = require("@pulumi/kubernetes");
  for (const kind of [k8s.Provider, k8s.apiextensions.CustomResource, k8s.apps.v1.DaemonSet, k8s.apps.v1.StatefulSet, k8s.core.v1.ConfigMap, k8s.core.v1.Namespace,
    k8s.core.v1.Node, k8s.core.v1.Secret, k8s.core.v1.Service, k8s.core.v1.ServiceAccount, k8s.networking.v1.NetworkPolicy, k8s.policy.v1.PodDisruptionBudget,
    k8s.scheduling.v1.PriorityClass]) { if (!kind) throw new Error("a kind is missing"); }
  return 0;`;
const ourImport = `const { ComputeMesh } = require("./dist/src"); const { localProvider } = require("./dist/providers/local"); if (!ComputeMesh || !localProvider) throw new Error();
  ${rawImport}`;

const rawProgram = `import * as k8s from "@pulumi/kubernetes";
const provider = new k8s.Provider("cluster", { kubeconfig: "" });
new k8s.core.v1.ConfigMap("one", { data: { a: "b" } }, { provider });
new k8s.apps.v1.DaemonSet("two", { spec: { selector: { matchLabels: { a: "b" } }, template: { spec: { containers: [{ name: "c", image: "i" }] } } } }, { provider });
`;
const ourProgram = `import { ComputeMesh } from "compute-mesh";
import { localProvider } from "compute-mesh/providers/local";
${rawProgram}
new ComputeMesh("mesh", {
  nodeProvider: localProvider({ kubeconfig: "", clusterName: "c" }),
  nodes: { "n-1": { spec: { zone: "a" } } },
  shards: { count: 16 },
  topics: { orders: { partitions: 16 } },
  kafka: { brokers: ["kafka:9092"] },
});
`;

/** The same program on one cloud; a machine of its own is asked for by nobody, so nothing is chosen. */
const cloudPrograms = {
  aws: `awsProvider({ region: "eu-west-1", network: { existing: { subnetIds: { "eu-west-1a": "subnet-0123456789abcdef0" } } }, cluster: { existing: { name: "c" } } })`,
  gcp: `gcpProvider({ project: "my-project", region: "europe-west4", cluster: { existing: { name: "c" } } })`,
  azure: `azureProvider({ location: "westeurope", resourceGroup: "mesh", cluster: { existing: { name: "c" } } })`,
};

function cloudProgram(cloud: keyof typeof cloudPrograms): string {
  return ourProgram
    .replace(
      `import { localProvider } from "compute-mesh/providers/local";`,
      `import { ${cloud}Provider } from "compute-mesh/providers/${cloud}";`,
    )
    .replace(`localProvider({ kubeconfig: "", clusterName: "c" })`, cloudPrograms[cloud]);
}

/** Measures import, type check and installed size. */
export function benchConsumer(say: (text: string) => void): ResultTable[] {
  say("import");
  const imports = [importCost(ourImport), importCost(rawImport)];
  say("type check");
  const checks = [ourProgram, rawProgram].map(typeCheck);
  say("one cloud");
  const clouds = (Object.keys(cloudPrograms) as (keyof typeof cloudPrograms)[]).map((cloud): (string | number)[] => {
    const { seconds, megabytes } = importCost(
      `if (!require("./dist/providers/${cloud}").${cloud}Provider) throw new Error(); ${ourImport}`,
    );
    return [cloud, seconds, megabytes, typeCheck(cloudProgram(cloud))];
  });
  say("size");
  const [ours, raw] = [installed("compute-mesh"), installed("@pulumi/kubernetes")];
  const row = (what: string, values: readonly number[]): (string | number)[] => [what, ...values, values[0] / values[1]];
  return [
    {
      title: "What a program pays that imports the library",
      head: ["what", "compute-mesh", "raw @pulumi/kubernetes", "ratio"],
      rows: [
        row(
          "import, s of CPU",
          imports.map(({ seconds }) => seconds),
        ),
        row(
          "memory after import, MB",
          imports.map(({ megabytes }) => megabytes),
        ),
        row("type check, s of CPU", checks),
        row("installed with all that it needs, MB", [raw + ours, raw]),
      ],
      notes: [
        `Medians of ${rounds} processes (type check: 3). Both imports touch every kind of object that a mesh is made of. The library itself, with its dependencies, is ` +
          `${ours.toFixed(1)} MB of what is installed.`,
      ],
    },
    {
      title: "What a program pays that uses one cloud",
      head: ["provider", "import, s of CPU", "memory after import, MB", "type check, s of CPU"],
      rows: [["local", imports[0].seconds, imports[0].megabytes, checks[0]], ...clouds],
      notes: [
        "The library, one node provider, and of the cloud's SDK what that provider uses. The SDK of no other cloud is loaded or checked.",
      ],
    },
  ];
}

function importCost(work: string): { seconds: number; megabytes: number } {
  const costs = Array.from({ length: rounds }, () => inOwnProcess("", work));
  return { seconds: median(costs.map((cost) => cost.cpuSeconds)), megabytes: median(costs.map((cost) => cost.peakMegabytes)) };
}

/** Seconds of CPU of `tsc --noEmit` on a strict program outside this project. */
function typeCheck(typescript: string): number {
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), "compute-mesh-bench-"));
  try {
    inlineProgram(folder, typescript);
    const tsc = `${process.execPath} ${path.join(projectRoot, "node_modules", "typescript", "bin", "tsc")} --noEmit -p ${folder} --types node`;
    return median(
      Array.from({ length: 3 }, () => {
        const child = spawnSync("bash", ["-c", `TIMEFORMAT='%U %S'; time ${tsc}`], { encoding: "utf8" });
        if (child.status !== 0) {
          throw new Error(`the type check failed: ${child.stdout}${child.stderr}`);
        }
        const times = child.stderr.trim().split("\n").pop()?.split(" ") ?? [];
        return times.reduce((sum, part) => sum + Number(part), 0);
      }),
    );
  } finally {
    fs.rmSync(folder, { recursive: true, force: true });
  }
}

/** Megabytes of a package and of everything below it in its tree of dependencies; of our own what `npm pack` takes. */
function installed(name: string): number {
  const seen = new Set<string>();
  let bytes = 0;
  const visit = (each: string): void => {
    if (seen.has(each)) {
      return;
    }
    seen.add(each);
    const folder = each === "compute-mesh" ? projectRoot : path.join(projectRoot, "node_modules", each);
    const manifest = JSON.parse(fs.readFileSync(path.join(folder, "package.json"), "utf8")) as {
      files?: string[];
      dependencies?: Record<string, string>;
    };
    const parts = each === "compute-mesh" ? (manifest.files ?? []).map((file) => path.join(folder, file)) : [folder];
    bytes += parts.reduce((sum, part) => sum + sizeOf(part), 0);
    Object.keys(manifest.dependencies ?? {}).forEach(visit);
  };
  visit(name);
  return bytes / 1e6;
}

function sizeOf(file: string): number {
  const stat = fs.statSync(file);
  return stat.isDirectory() ? fs.readdirSync(file).reduce((sum, name) => sum + sizeOf(path.join(file, name)), 0) : stat.size;
}
