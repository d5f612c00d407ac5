/** Fills topics by mesh-load, the program in tools/go/load. */
import { execFile } from "node:child_process";
import { promisify } from "node:util";
import { refereeEnvironment } from "../referees";

/** mesh-load's path. Throws where it is not there. */
export function loadProgram(env: NodeJS.ProcessEnv = refereeEnvironment()): string {
  const program = env["MESH_LOAD"];
  if (program === undefined) {
    throw new Error("mesh-load is missing: `npm run test:all` and `npm run live` build it, or set MESH_LOAD to its path");
  }
  return program;
}

/** Runs mesh-load; flags without the dash, those that are undefined left out. Returns what it prints. */
export async function runLoad(
  command: "produce" | "truth",
  flags: Readonly<Record<string, string | number | undefined>>,
): Promise<unknown> {
  const given = Object.entries(flags).filter(([, value]) => value !== undefined);
  const args = [command, ...given.map(([flag, value]) => `-${flag}=${value}`)];
  const { stdout } = await promisify(execFile)(loadProgram(), args, { maxBuffer: 1 << 28 });
  return JSON.parse(stdout) as unknown;
}
