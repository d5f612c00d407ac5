/** Routes and islands from a YAML file, with the lines that messages name. */
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { basename } from "node:path";
import type { Document, LineCounter } from "yaml";
import { checkKnownKeys, isObject } from "./model/checks";
import { type InputProblem, Problems } from "./model/errors";
import type { RoutesSpec } from "./model/routes";

/** What a file can say; what it does not say is left to the program. */
export type MeshFile = Pick<RoutesSpec, "hosts" | "routes" | "services"> & Partial<RoutesSpec>;

/** Every key of a file; those of the published JSON Schema. */
export const meshFileKeys = [
  ...(["hosts", "target", "dimensions", "services", "routes", "islandTypes", "islands"] as const),
  ...(["latest", "upstreams", "tls", "grants", "kubernetesServices"] as const),
] satisfies (keyof RoutesSpec)[];

/** Says in which line something is: by the path from the root of the file. */
type Locate = (path: readonly (string | number)[]) => string;

/** By the values of the top level, which programs hand on as they are. */
const sources = new WeakMap<object, Locate>();

/**
 * Reads `mesh.yaml`: hosts, routes, types of islands and their instances, and all else that `RoutesSpec` knows, in YAML or JSON. A file and a program say the
 * same, so that what is read goes into the args of GlooRoutes and Islands; what is wrong with it is said there, with the file and the line.
 *
 * A first line `# yaml-language-server: $schema=node_modules/compute-mesh/schemas/mesh.schema.json` makes editors complete and explain every key.
 *
 * @param file path, from the folder that the program runs in
 * @returns `routes` and `services` are empty where the file has none
 * @throws MeshInputError with file and line where it is no YAML, or has keys that nobody knows
 *
 * @example
 * const file = readMeshFile("mesh.yaml");
 * new GlooRoutes("edge", { ...file, namespace: "mesh", services: [prices.facts] });
 */
export function readMeshFile(file: string): MeshFile {
  // Loaded where it is needed only: most programs have no such file.
  const yaml = createRequire(__filename)("yaml") as typeof import("yaml");
  const lines = new yaml.LineCounter();
  const document = yaml.parseDocument(readFileSync(file, "utf8"), { lineCounter: lines, prettyErrors: false });
  const name = basename(file);
  const problems = new Problems(file);
  const [error] = document.errors;
  if (error !== undefined) {
    problems.add("", lines.linePos(error.pos[0]).line, `line of a YAML file: ${error.message}`);
    problems.throwIfAny();
  }
  const content: unknown = document.toJS();
  const locate: Locate = (path) => `${name}:${lineOf(document, lines, path)}`;
  if (!isObject(content)) {
    problems.add("", content, `an object with ${meshFileKeys.join(", ")} is allowed`);
    problems.throwIfAny();
    return { hosts: [], routes: [], services: [] };
  }
  checkKnownKeys(problems, "", content, meshFileKeys);
  if (problems.any) {
    const located = new Problems(name);
    located.addAll(
      "",
      problems.all.map((problem) => at(problem, locate)),
    );
    located.throwIfAny();
  }
  Object.values(content).forEach((value) => typeof value === "object" && value !== null && sources.set(value, locate));
  return { services: [], routes: [], ...(content as Partial<RoutesSpec>) } as MeshFile;
}

/**
 * As `problems.throwIfAny`; where values of the args came from a file, with the file and the line in front of their paths.
 *
 * @param args the args of a component
 * @throws MeshInputError
 */
export function throwLocated(problems: Problems, args: object): void {
  const located = new Problems(problems.subject);
  for (const problem of problems.all) {
    const [key] = pathOf(problem.path);
    const value = key === undefined ? undefined : (args as Record<string, unknown>)[key];
    const locate = isContainer(value) ? sources.get(value) : undefined;
    located.addAll("", [locate === undefined ? problem : at(problem, locate)]);
  }
  located.throwIfAny();
}

const isContainer = (value: unknown): value is object => typeof value === "object" && value !== null;

function at(problem: InputProblem, locate: Locate): InputProblem {
  return { ...problem, path: `${locate(pathOf(problem.path))}: ${problem.path}` };
}

/** Whether a path has a file and a line in front of it. */
export const isLocated = (path: string): boolean => /^[^:]+:\d+: /.test(path);

/** `routes[0].to[1].own` → its steps. Islands have words after theirs, which are left out: `islands[0] (eu), type cell: routes[0]`. */
function pathOf(path: string): (string | number)[] {
  const start = /^(?:[A-Za-z0-9_-]+|\[\d+\]|\["(?:[^"\\]|\\.)*"\]|\.)*/.exec(path)?.[0] ?? "";
  return (start.match(/\[\d+\]|\["(?:[^"\\]|\\.)*"\]|[A-Za-z0-9_-]+/g) ?? []).map((step) =>
    step.startsWith("[") ? (JSON.parse(step.slice(1, -1)) as string | number) : step,
  );
}

/** The line of the node at a path, or of the nearest one around it. */
function lineOf(document: Document, lines: LineCounter, path: readonly (string | number)[]): number {
  for (let length = path.length; length > 0; length -= 1) {
    const around = length === 1 ? document.contents : document.getIn(path.slice(0, length - 1), true);
    const offset = offsetOf(around, path[length - 1]);
    if (offset !== undefined) {
      return lines.linePos(offset).line;
    }
  }
  return 1;
}

interface YamlNode {
  range?: [number, number, number] | null;
}

/** Where a member of a map (its key) or a list begins. */
function offsetOf(node: unknown, step: string | number | undefined): number | undefined {
  const items = isContainer(node) ? (node as { items?: unknown[] }).items : undefined;
  if (items === undefined || step === undefined) {
    return undefined;
  }
  if (typeof step === "number") {
    return (items[step] as YamlNode | undefined)?.range?.[0];
  }
  const pair = items.find((item) => (item as { key?: { value?: unknown } }).key?.value === step) as { key: YamlNode } | undefined;
  return pair?.key.range?.[0];
}
