/** Folders of Go modules, fetched by Go itself and checked against its checksum database. */
import { execFile } from "node:child_process";
import { join } from "node:path";
import { promisify } from "node:util";
import { findGo } from "./go-build";
import { projectRoot } from "./paths";

/** The folder of `module@version` in Go's module cache, fetched where it is missing. `moduleFolder`: a go.sum to check against. */
export async function goModuleFolder(module: string, moduleFolder?: string): Promise<string> {
  const go = await findGo();
  const { stdout } = await promisify(execFile)(go.binary, ["mod", "download", "-json", module], {
    cwd: moduleFolder === undefined ? "/" : join(projectRoot, moduleFolder),
    env: { ...process.env, GOWORK: "off" },
    timeout: 120_000,
  }).catch((error: { stdout?: string; message: string }) => {
    const said = error.stdout ? (JSON.parse(error.stdout) as { Error?: string }).Error : undefined;
    throw new Error(`go mod download ${module}: ${said ?? error.message}`);
  });
  return (JSON.parse(stdout) as { Dir: string }).Dir;
}
