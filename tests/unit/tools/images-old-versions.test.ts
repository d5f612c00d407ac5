import { mkdirSync, mkdtempSync, readdirSync, rmSync, utimesSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { removeOldVersions } from "../../../tools/live/images/old-versions";

const before = process.env.COMPUTE_MESH_CACHE;
let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "compute-mesh-old-"));
  process.env.COMPUTE_MESH_CACHE = folder;
});
afterEach(() => {
  if (before === undefined) delete process.env.COMPUTE_MESH_CACHE;
  else process.env.COMPUTE_MESH_CACHE = before;
  rmSync(folder, { recursive: true, force: true });
});

it("keeps the current entry, the two newest others, unfinished ones and those of other names", () => {
  ["a-1", "a-2", "a-3", "a-4", "b-1"].forEach((name, index) => {
    const entry = join(folder, "entries", name);
    mkdirSync(entry, { recursive: true });
    writeFileSync(join(entry, "entry.json"), JSON.stringify({ origin: "built", files: [] }));
    utimesSync(entry, 1000 + index, 1000 + index);
  });
  mkdirSync(join(folder, "entries", "a-0"));
  removeOldVersions("a-", "a-1");
  expect(readdirSync(join(folder, "entries")).sort()).toEqual(["a-0", "a-1", "a-3", "a-4", "b-1"]);
});
