/** Programs given as text. */
import * as fs from "node:fs";
import * as path from "node:path";
import { projectRoot } from "../../tools/paths";

export interface InlineProgram {
  folder: string;
  write: (typescript: string) => void;
}

/** Transpiled by swc, not checked: types are checked where they matter, and the check costs seconds at every start. */
const tsconfig = {
  "ts-node": { swc: true },
  compilerOptions: {
    target: "ES2022",
    module: "commonjs",
    moduleResolution: "node10",
    useDefineForClassFields: false,
    strict: true,
    skipLibCheck: true,
  },
};

/** A program folder outside the checkout; it sees the checkout's packages, and the checkout itself as `compute-mesh`. */
export function inlineProgram(folder: string, typescript: string): InlineProgram {
  const modules = path.join(folder, "node_modules");
  const installed = path.join(projectRoot, "node_modules");
  fs.mkdirSync(modules, { recursive: true });
  for (const name of fs.readdirSync(installed).filter((each) => !each.startsWith(".") && each !== "compute-mesh")) {
    fs.symlinkSync(path.join(installed, name), path.join(modules, name));
  }
  fs.symlinkSync(projectRoot, path.join(modules, "compute-mesh"));
  fs.writeFileSync(path.join(folder, "Pulumi.yaml"), "name: inline\nruntime: nodejs\n");
  fs.writeFileSync(path.join(folder, "package.json"), JSON.stringify({ name: "inline", private: true, main: "index.ts" }));
  fs.writeFileSync(path.join(folder, "tsconfig.json"), JSON.stringify(tsconfig));
  const write = (text: string): void => fs.writeFileSync(path.join(folder, "index.ts"), text);
  write(typescript);
  return { folder, write };
}
