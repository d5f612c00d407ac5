/** Whether sets of CRDs can be had, known while tests are collected, so that those that need them are skipped visibly. */
import { spawnSync } from "node:child_process";
import { existsSync } from "node:fs";
import { join } from "node:path";
import type { CrdSet } from "../../tools/crds";
import { projectRoot } from "../../tools/paths";

/** Folder of upstream CRDs beside the project's own, preferred where it is there. */
export const sharedCrds = join(projectRoot, "..", "shared", "crds");

/** Why a set of CRDs cannot be had, or `undefined` where it can. Fetches it into the cache where it does not lie beside the project. */
export function crdsMissing(set: CrdSet): string | undefined {
  if (existsSync(join(sharedCrds, set))) {
    return undefined;
  }
  // jest collects tests synchronously, and fetching is not, hence the process.
  const program = `const crds = require("./tools/crds.ts"); crds.crdFiles("${set}").then((files) => process.stdout.write(files ? "" : String(crds.crdsUnavailable("${set}"))));`;
  const child = spawnSync(process.execPath, ["-r", "ts-node/register/transpile-only", "-e", program], {
    cwd: projectRoot,
    encoding: "utf8",
  });
  const reason = child.status === 0 ? child.stdout : child.stderr.trim().split("\n").pop();
  return reason === "" ? undefined : reason;
}
