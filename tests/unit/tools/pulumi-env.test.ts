import { execFileSync } from "node:child_process";
import { accessSync, constants, readdirSync } from "node:fs";
import { join } from "node:path";
import { exportLines, standInFolders, withFirst } from "../../../tools/pulumi-env";

describe("the environment of pulumi", () => {
  it("puts its folders first, once, and removes stand-ins that an earlier environment left", () => {
    const path = ["/usr/bin", standInFolders.languageHost, "/cli", "/bin"].join(":");
    expect(withFirst(["/cli", standInFolders.kubernetesProvider], path)).toBe(`/cli:${standInFolders.kubernetesProvider}:/usr/bin:/bin`);
  });

  it("prints lines that a POSIX shell reads back unchanged", () => {
    const value = 'it\'s $HOME `x` "y" \\z';
    const script = `PATH=/bin:/usr/bin\n${exportLines({ VALUE: value }, ["/a b"]).join("\n")}\nprintf '%s|%s' "$VALUE" "$PATH"`;
    expect(execFileSync("/bin/sh", ["-c", script], { encoding: "utf8" })).toBe(`${value}|/a b:/bin:/usr/bin`);
  });

  it("has one executable launcher in each stand-in folder", () => {
    expect(readdirSync(standInFolders.languageHost)).toEqual(["pulumi-language-nodejs"]);
    expect(readdirSync(standInFolders.kubernetesProvider)).toEqual(["pulumi-resource-kubernetes"]);
    for (const folder of Object.values(standInFolders))
      for (const file of readdirSync(folder)) accessSync(join(folder, file), constants.X_OK);
  });
});
