/** A cloud that is only played: the stand-ins of tools/cloud-stand-in with an empty folder to keep their resources in. */
import * as fs from "node:fs";
import * as os from "node:os";
import * as path from "node:path";
import { type Entry, World, worldVariable } from "../../tools/cloud-stand-in/world";
import { projectRoot } from "../../tools/paths";
import { type TestStack, testStack, type TestStackOptions } from "./pulumi";

export interface PlayedCloud {
  /** Where it is kept; a test may put files of its own there. */
  folder: string;
  world: World;
  /** Puts a resource there that no stack has made, for tests that adopt. */
  give: (token: string, id: string, state: Partial<Pick<Entry, "inputs" | "outputs">>) => void;
  /** A stack whose provider plugins play this cloud. */
  stack: (options: TestStackOptions) => Promise<TestStack>;
  /** Disposes of its stacks and removes the folder. Call it in `afterAll`. */
  dispose: () => Promise<void>;
}

export function playedCloud(): PlayedCloud {
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), "compute-mesh-cloud-"));
  const world = new World(folder);
  const stacks: TestStack[] = [];
  return {
    folder,
    world,
    give: (token, id, state) => world.add({ token, id, urn: "", inputs: {}, outputs: {}, ...state }),
    stack: async (options) => {
      const pluginFolders = [path.join(projectRoot, "tools", "bin", "cloud-stand-ins")];
      const stack = await testStack({ ...options, pluginFolders, env: { ...options.env, [worldVariable]: folder } });
      stacks.push(stack);
      return stack;
    },
    dispose: async () => {
      await Promise.all(stacks.map((stack) => stack.dispose()));
      fs.rmSync(folder, { recursive: true, force: true });
    },
  };
}
