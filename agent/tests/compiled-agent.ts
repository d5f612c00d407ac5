/** The agent as a program of its own, for tests that kill it: what the image runs, compiled without looking at types. */
import { mkdirSync, readdirSync, writeFileSync } from "node:fs";
import { delimiter, dirname, join } from "node:path";
import { transformFileSync } from "@swc/core";
import { removeFolder, temporaryFolder } from "./support";

const root = join(__dirname, "..", "..");

/** Path of the program, and what its environment needs to find the packages. */
export function compileAgent(): { program: string; env: Record<string, string>; remove(): void } {
  const folder = temporaryFolder();
  for (const source of ["agent/src", "src/model"]) {
    for (const name of readdirSync(join(root, source), { recursive: true, encoding: "utf8" }).filter((file) => file.endsWith(".ts"))) {
      const { code } = transformFileSync(join(root, source, name), {
        jsc: { parser: { syntax: "typescript" }, target: "es2022", transform: { useDefineForClassFields: false } },
        ...{ module: { type: "commonjs" }, configFile: false, swcrc: false },
      });
      const file = join(folder, source, name.replace(/\.ts$/, ".js"));
      mkdirSync(dirname(file), { recursive: true });
      writeFileSync(file, code);
    }
  }
  const modules = [join(root, "agent", "node_modules"), join(root, "node_modules")];
  return { program: join(folder, "agent/src/main.js"), env: { NODE_PATH: modules.join(delimiter) }, remove: () => removeFolder(folder) };
}
