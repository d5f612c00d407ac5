/** Building objects alone: a mesh beside the same objects as raw resources, by cdk8s, kustomize and helm; and how many there are of what size. */
import { spawnSync } from "node:child_process";
import * as fs from "node:fs";
import * as os from "node:os";
import * as path from "node:path";
import { stringify } from "yaml";
import { projectRoot } from "../../tools/paths";
import { benchReferees, fetchReferees, refereeEnvironment } from "../../tools/referees";
import type { BuildCost, BuiltObject } from "./build-objects";
import { type MeshSize, meshOfSize } from "./meshes";
import { median } from "./report";
import { exponent, type ResultTable } from "./results";

const program = path.join(projectRoot, "tests", "bench", "build-objects.ts");
const rounds = 3;

/** The mesh; its objects as raw resources; the same among as many empty components; and as manifests alone. */
export type BuildKind = "mesh" | "raw" | "grouped" | "cdk8s";
const kinds: [BuildKind, name: string][] = [
  ["mesh", "compute-mesh"],
  ["grouped", "raw, and as many empty components"],
  ["raw", "raw @pulumi/kubernetes"],
  ["cdk8s", "cdk8s synth"],
];

/** Row 2 without the engine: time to build the objects. */
export async function benchObjects(say: (text: string) => void): Promise<ResultTable[]> {
  await fetchReferees(benchReferees);
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), "compute-mesh-bench-"));
  try {
    const points = new Map<string, [number, number][]>();
    const rows = [5, 50, 500].flatMap((nodes) => {
      say(`${nodes} nodes`);
      return rowsOf(folder, nodes, points);
    });
    say("own code");
    const own = ownSeconds(folder, written(folder, "mesh.json", meshOfSize({ nodes: 500, shards: 64 })));
    const growth = [...points].map(([name, measured]) => `${name} ${exponent(measured.slice(-2)).toFixed(2)}`);
    return [
      {
        title: "Time to build the objects alone, the engine mocked",
        head: ["nodes", "method", "objects", "s of CPU", "beside raw", "ms of CPU per object", "peak MB"],
        rows,
        notes: [
          `Medians of ${rounds} processes each, loading of modules not counted. Growth from 50 to 500 nodes, as a power of the number of objects: ${growth.join(", ")}.`,
          `Of the CPU at 500 nodes our own code takes ${(1000 * own).toFixed(2)} ms per object, by a sampling profile; the rest is Pulumi's SDK, which registers a component as it does an object.`,
          "Raw: the very same inputs, read from a file, as resources of `@pulumi/kubernetes` without components, checks and links. " +
            "kustomize (5.8, the one in kubectl 1.36) and helm (4.3): the whole command, its start included, and for kustomize a label on every object. " +
            "cdk8s, kustomize and helm make text and have no engine to talk to.",
        ],
      },
    ];
  } finally {
    fs.rmSync(folder, { recursive: true, force: true });
  }
}

function rowsOf(folder: string, nodes: number, points: Map<string, [number, number][]>): ResultTable["rows"] {
  const mesh = written(folder, "mesh.json", meshOfSize({ nodes, shards: 64 }));
  const first = build("mesh", mesh);
  const objects = written(folder, "objects.json", first.custom);
  const all = written(folder, "all.json", [...first.components, ...first.custom]);
  const files = { mesh, grouped: all, raw: objects, cdk8s: objects };
  // In turns, so that what else the machine does meets all of them.
  const costs = Array.from({ length: rounds }, () => kinds.map(([kind]) => build(kind, files[kind])));
  const measured = kinds.map(([, name], index) => [name, medianOf(costs.map((round) => round[index]))] as const);
  const raw = measured[2][1].cpuSeconds;
  const rows = measured.map(([name, cost]): (string | number)[] => {
    points.set(name, [...(points.get(name) ?? []), [cost.resources, cost.cpuSeconds]]);
    return [
      nodes,
      name,
      cost.resources,
      cost.cpuSeconds,
      cost.cpuSeconds / raw,
      (1000 * cost.cpuSeconds) / cost.resources,
      cost.peakMegabytes,
    ];
  });
  const { KUSTOMIZE, HELM } = refereeEnvironment();
  const commands = [
    ["kustomize build", `${KUSTOMIZE} build ${kustomization(folder, first.custom)}`],
    ["helm template", `${HELM} template mesh ${chart(folder, first.custom)}`],
  ].map(([name, command]): (string | number)[] => {
    const seconds = commandSeconds(command, folder, first.custom.length);
    return [nodes, name, first.custom.length, seconds, seconds / raw, (1000 * seconds) / first.custom.length, ""];
  });
  return [...rows, ...commands];
}

/** Seconds of CPU per object that our own code takes, its callees in other packages not counted: by V8's sampling profile. */
function ownSeconds(folder: string, mesh: string): number {
  const profiles = path.join(folder, "profiles");
  const { resources } = build("mesh", mesh, ["--cpu-prof", `--cpu-prof-dir=${profiles}`]);
  const [file] = fs.readdirSync(profiles);
  const { nodes, samples, timeDeltas } = JSON.parse(fs.readFileSync(path.join(profiles, file), "utf8")) as {
    nodes: { id: number; callFrame: { url: string } }[];
    samples: number[];
    timeDeltas: number[];
  };
  const ours = new Set(nodes.filter(({ callFrame }) => callFrame.url.includes(`${projectRoot}/dist/`)).map(({ id }) => id));
  return samples.reduce((sum, id, index) => sum + (ours.has(id) ? timeDeltas[index] : 0), 0) / 1e6 / resources;
}

/** Row 3: how many resources, and how large. */
export function benchSize(say: (text: string) => void): ResultTable[] {
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), "compute-mesh-bench-"));
  const axes: [what: keyof MeshSize, values: number[]][] = [
    ["nodes", [5, 50, 500]],
    ["shards", [16, 256, 4096]],
    ["versions", [1, 4, 16]],
    ["snapshots", [1, 4, 16]],
    ["routes", [1, 16, 256]],
  ];
  try {
    const rows = axes.flatMap(([what, values]) => {
      say(what);
      const costs = values.map((value) => build("mesh", written(folder, "mesh.json", meshOfSize({ [what]: value }))));
      const slope = (of: (cost: BuildCost) => number): number =>
        (of(costs[costs.length - 1]) - of(costs[0])) / (values[values.length - 1] - values[0]);
      return values.map((value, index): (string | number)[] => {
        const { resources, bytes, cpuSeconds } = costs[index];
        const last = index === values.length - 1;
        return [
          what,
          value,
          resources,
          last ? slope((cost) => cost.resources) : "",
          bytes / 1024,
          last ? slope((cost) => cost.bytes) : "",
          cpuSeconds,
        ];
      });
    });
    return [
      {
        title: "Resources and size against what a mesh has",
        head: ["of what", "how many", "resources", "resources per one more", "inputs, KiB", "bytes per one more", "s of CPU to build"],
        rows,
        notes: [
          "Everything else as in the stack `local`: 5 nodes, 16 shards × 2, 2 versions, 2 snapshots, 4 routes. Resources count components. " +
            "A state holds the inputs and about as much again as outputs.",
          "A node is one resource, and shards are none. A service has three for each pair of a version and a snapshot, so versions and snapshots multiply: the pods, which are of one " +
            "image and one snapshot; the Service that routes lead to; and the disruption budget, because one for several pairs would let the pods of a snapshot that is not ready yet " +
            "forbid evictions in all others. With answers there are four more, the gatherer with its settings, Service and budget: a question of one snapshot that is too large for it ends no other.",
        ],
      },
    ];
  } finally {
    fs.rmSync(folder, { recursive: true, force: true });
  }
}

/** Builds in a process of its own. */
export function build(kind: BuildKind, file: string, flags: readonly string[] = []): BuildCost {
  const child = spawnSync(process.execPath, [...flags, "-r", "ts-node/register/transpile-only", program, kind, file], {
    ...{ cwd: projectRoot, encoding: "utf8", maxBuffer: 2 ** 28 },
  });
  if (child.status !== 0) {
    throw new Error(`building ${kind} failed: ${child.stderr}`);
  }
  return JSON.parse(child.stdout.slice(child.stdout.indexOf('{"cpuSeconds"'))) as BuildCost;
}

function medianOf(costs: readonly BuildCost[]): BuildCost {
  return {
    ...costs[0],
    cpuSeconds: median(costs.map((cost) => cost.cpuSeconds)),
    peakMegabytes: median(costs.map((cost) => cost.peakMegabytes)),
  };
}

function written(folder: string, name: string, content: unknown): string {
  const file = path.join(folder, name);
  fs.writeFileSync(file, JSON.stringify(content));
  return file;
}

/** The objects as files of a kustomization, which adds a label to all, as people use it for. */
function kustomization(folder: string, objects: readonly BuiltObject[]): string {
  const manifests = path.join(folder, "manifests");
  fs.rmSync(manifests, { recursive: true, force: true });
  fs.mkdirSync(manifests);
  fs.writeFileSync(
    path.join(manifests, "all.yaml"),
    objects.map(({ inputs }) => stringify(inputs, { aliasDuplicateObjects: false })).join("---\n"),
  );
  fs.writeFileSync(
    path.join(manifests, "kustomization.yaml"),
    stringify({ resources: ["all.yaml"], labels: [{ pairs: { team: "mesh" } }] }),
  );
  return manifests;
}

/** The same objects as templates of a chart. */
function chart(folder: string, objects: readonly BuiltObject[]): string {
  const files = path.join(folder, "chart");
  fs.rmSync(files, { recursive: true, force: true });
  fs.mkdirSync(path.join(files, "templates"), { recursive: true });
  fs.writeFileSync(path.join(files, "Chart.yaml"), stringify({ apiVersion: "v2", name: "mesh", version: "1.0.0" }));
  const text = objects.map(({ inputs }) => stringify(inputs, { aliasDuplicateObjects: false })).join("---\n");
  fs.writeFileSync(path.join(files, "templates", "all.yaml"), text.replaceAll("{{", '{{ "{{" }}'));
  return files;
}

/** Seconds of CPU of a whole command, which must print every object. */
function commandSeconds(command: string, folder: string, objects: number): number {
  const out = path.join(folder, "out");
  const home = { HELM_CACHE_HOME: folder, HELM_CONFIG_HOME: folder, HELM_DATA_HOME: folder };
  const seconds = Array.from({ length: rounds }, () => {
    const env = { ...process.env, ...home };
    const child = spawnSync("bash", ["-c", `TIMEFORMAT='%U %S'; time ${command} > ${out}`], { encoding: "utf8", env });
    const printed = fs.readFileSync(out, "utf8").match(/^kind: /gm)?.length;
    if (child.status !== 0 || printed !== objects) {
      throw new Error(`${command} printed ${String(printed)} of ${objects} objects: ${child.stderr}`);
    }
    const times = child.stderr.trim().split("\n").pop()?.split(" ") ?? [];
    return times.reduce((sum, part) => sum + Number(part), 0);
  });
  return median(seconds);
}
