import { planEngine, type EngineArgs, type EnginePlan, type EngineRequest } from "../../../src/engines";
import { Problems } from "../../../src/model/errors";

export const gibibyte = 1024 ** 3;
export const mebibyte = 1024 ** 2;

/** What an engine plans in 2 GiB with half of them as tmpfs, and what it says to the args. */
export function planOf(args: EngineArgs | undefined, request: Partial<EngineRequest> = {}): { plan: EnginePlan; errors: string[] } {
  const problems = new Problems("db");
  const all = { username: "mesh", memoryBytes: 2 * gibibyte, tmpfsBytes: gibibyte, settings: {}, ...request };
  const { plan } = planEngine(problems, "engine", args, all);
  return { plan, errors: problems.all.map((problem) => `${problem.path}: ${problem.allowed}`) };
}

/** The paths of the problems alone. */
export function pathsOf(args: EngineArgs | undefined, request: Partial<EngineRequest> = {}): string[] {
  return planOf(args, request).errors.map((error) => error.slice(0, error.indexOf(": ")));
}

/** All that counts against the memory limit. */
export function sumOf(plan: EnginePlan): number {
  return plan.memory.reduce((total, item) => total + item.bytes, 0);
}

/** A file of `name<separator>value` lines as a map. */
export function linesOf(text: string | undefined, separator: string): Record<string, string> {
  const lines = (text ?? "").trimEnd().split("\n");
  return Object.fromEntries(lines.map((line) => [line.split(separator, 1)[0], line.slice(line.indexOf(separator) + separator.length)]));
}
