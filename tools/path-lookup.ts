/** Finding programs on PATH and asking them for their version. */
import { execFile } from "node:child_process";
import { accessSync, constants, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { delimiter, isAbsolute, join } from "node:path";

/** Every file of that name on PATH that can be run, first one first. Relative entries of PATH are not trusted. */
export function findAllOnPath(name: string, env: NodeJS.ProcessEnv = process.env): string[] {
  return (env.PATH ?? "")
    .split(delimiter)
    .filter((folder) => isAbsolute(folder))
    .map((folder) => join(folder, name))
    .filter((file) => {
      try {
        accessSync(file, constants.X_OK);
        return statSync(file).isFile();
      } catch {
        return false;
      }
    });
}

/** The first file of that name on PATH that can be run. */
export function findOnPath(name: string, env: NodeJS.ProcessEnv = process.env): string | undefined {
  return findAllOnPath(name, env)[0];
}

/** True when the text holds exactly this version as a word: `v1.2.3` and `1.2.3`, but not `1.2.30` or `1.2.3-rc.1`. */
export function textHasVersion(text: string, version: string): boolean {
  const escaped = version.replace(/[.+]/g, "\\$&");
  return new RegExp(`(^|[^\\w.+-])v?${escaped}(?![\\w.+-])`, "m").test(text);
}

/** Asks a binary for its version. False where it answers another one, fails, or does not answer within 15 s. */
export function binaryHasVersion(binary: string, args: readonly string[], version: string): Promise<boolean> {
  return new Promise((resolve) => {
    // Pulumi looks for updates and makes a folder in the user's home otherwise.
    const env = { ...process.env, PULUMI_SKIP_UPDATE_CHECK: "true", PULUMI_HOME: join(tmpdir(), "compute-mesh-version-check") };
    execFile(binary, [...args], { timeout: 15_000, env }, (error, stdout, stderr) => {
      resolve(error === null && textHasVersion(`${stdout}\n${stderr}`, version));
    });
  });
}
