/** What a program loads: the SDK of its own cloud and no other, and of that only what is used. */
import { execFileSync } from "node:child_process";
import * as path from "node:path";
import { projectRoot } from "../../../tools/paths";

/** Compiled by `npm run build`, as users get it. */
const built = path.join(projectRoot, "dist");

/** Every file that `require` of a compiled module loads. */
function loadedBy(module: string): string[] {
  const script = `require(${JSON.stringify(path.join(built, module))}); process.stdout.write(JSON.stringify(Object.keys(require.cache)));`;
  return JSON.parse(execFileSync(process.execPath, ["-e", script], { encoding: "utf8" })) as string[];
}

const sdks = ["aws", "gcp", "azure-native"];
const sdksOf = (files: readonly string[]): string[] => sdks.filter((name) => files.some((file) => file.includes(`/@pulumi/${name}/`)));
const cloudsOf = (files: readonly string[]): string[] =>
  ["local", "existing", "custom", "aws", "gcp", "azure"].filter((name) => files.some((file) => file.includes(`/dist/providers/${name}/`)));

describe("what is loaded", () => {
  it("by the library alone is no cloud at all", () => {
    const files = loadedBy("src");
    expect(sdksOf(files)).toEqual([]);
    expect(cloudsOf(files)).toEqual([]);
  }, 60_000);

  it.each([
    ["local", []],
    ["existing", []],
    ["custom", []],
    ["aws", ["aws"]],
    ["gcp", ["gcp"]],
    ["azure", ["azure-native"]],
  ])(
    "by the provider %s is its own cloud alone",
    (name, expected) => {
      const files = loadedBy(path.join("providers", name));
      expect(sdksOf(files)).toEqual(expected);
      expect(cloudsOf(files)).toEqual([name]);
      // The whole of an SDK is up to a thousand modules more.
      expect(files.filter((file) => sdks.some((sdk) => file.endsWith(`/@pulumi/${sdk}/index.js`)))).toEqual([]);
    },
    60_000,
  );
});
