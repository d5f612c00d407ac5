/** Where things lie: the project's own folder and the ignored folder that holds everything a run leaves behind. */
import { chmodSync, existsSync, mkdirSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";

function findProjectRoot(): string {
  // The same code runs from tools/*.ts (under jest) and from dist/tools/*.js, so the depth is not fixed.
  for (let folder = __dirname; ; folder = dirname(folder)) {
    const file = join(folder, "package.json");
    if (existsSync(file) && (JSON.parse(readFileSync(file, "utf8")) as { name?: string }).name === "compute-mesh") return folder;
    if (dirname(folder) === folder) throw new Error(`no package.json named "compute-mesh" above ${__dirname}`);
  }
}

/** The checkout: the folder of the package.json named "compute-mesh". */
export const projectRoot = findProjectRoot();

/** `<checkout>/.compute-mesh`: state of clusters and of the Pulumi backend. Never under version control. */
export const stateDir = join(projectRoot, ".compute-mesh");

/** Makes a folder (and its parents) that only its owner can enter, and tightens it if it was there with a wider mode. */
export function privateFolder(path: string): string {
  mkdirSync(path, { recursive: true, mode: 0o700 });
  chmodSync(path, 0o700);
  return path;
}
