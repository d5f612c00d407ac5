import { execFileSync } from "node:child_process";
import {
  chmodSync,
  existsSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { debianRoot, debianRootEntry, parseSimulation, pretendInstalled, quietly, readDistribution } from "../../../tools/debian";
import { findOnPath } from "../../../tools/path-lookup";

let folder: string;
const before = { ...process.env };

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "compute-mesh-debian-"));
  process.env.COMPUTE_MESH_CACHE = join(folder, "cache");
});

afterEach(() => {
  process.env = { ...before };
  rmSync(folder, { recursive: true, force: true });
});

describe("what apt says", () => {
  it("is read as packages with versions, also where another version is installed", () => {
    const text = `NOTE: This is only a simulation!
Inst gcc-12-base (12.2.0-14+deb12u1 Debian:12.14/oldstable [amd64])
Inst libc6 [2.36-9] (2.36-9+deb12u14 Debian:12.14/oldstable, Debian-Security:12/oldstable-security [amd64]) []
Conf libc6 (2.36-9+deb12u14 Debian:12.14/oldstable [amd64])
`;
    expect(parseSimulation(text)).toEqual([
      { name: "gcc-12-base", version: "12.2.0-14+deb12u1" },
      { name: "libc6", version: "2.36-9+deb12u14" },
    ]);
  });

  it("becomes a status in which excluded packages are installed and need nothing", () => {
    const shown = "Package: mawk\nVersion: 1.3\nArchitecture: amd64\nProvides: awk\nDepends: libc6 (>= 2.29)\nMulti-Arch: foreign\n\n";
    const status = pretendInstalled(shown, ["mawk"]);
    expect(status).toContain(
      "Package: mawk\nVersion: 1.3\nArchitecture: amd64\nMulti-Arch: foreign\nProvides: awk\nStatus: install ok installed\n",
    );
    expect(status).not.toContain("Depends");
    expect(() => pretendInstalled(shown, ["mawk", "gawk"])).toThrow("exclude: gawk: no such package");
  });

  it("is not asked for where there is no apt, and that is said", async () => {
    expect(() => readDistribution("/etc/os-release", { PATH: folder })).toThrow(
      "apt-get, apt-cache, dpkg-deb not found on PATH: packages are taken from Debian or Ubuntu with apt",
    );
    process.env.PATH = folder;
    await expect(debianRoot("x", ["x"])).rejects.toThrow("apt-get, apt-cache, dpkg-deb not found");
  });
});

it("names the distribution by its code name", () => {
  const file = join(folder, "os-release");
  for (const name of ["apt-get", "apt-cache", "dpkg-deb"]) writeFileSync(join(folder, name), "", { mode: 0o755 });
  writeFileSync(file, 'ID=debian\nVERSION_ID="12"\nVERSION_CODENAME=bookworm\n');
  expect(readDistribution(file, { PATH: folder })).toBe("debian-bookworm");
});

// Real packages and dpkg-deb; only apt is played, so that no network is needed.
const describeWithDpkg = findOnPath("dpkg-deb") === undefined ? describe.skip : describe;

describeWithDpkg("a root", () => {
  const calls = (): string[] => readFileSync(join(folder, "calls"), "utf8").trim().split("\n");

  beforeEach(() => {
    buildPackage("tool", { "bin/tool": "in /bin", "usr/lib/tool/data": "data", "usr/bin/su": "root" });
    buildPackage("lib-tool", { "lib/libtool.so": "library" });
    const bin = join(folder, "bin");
    mkdirSync(bin);
    // Plays install -s, download and update; the first download fails where the file `stale` is there.
    const apt = `#!/bin/sh
while [ "$1" = -o ] || [ "$1" = -q ]; do if [ "$1" = -o ]; then shift; fi; shift; done
echo "$@" >> ${folder}/calls
case "$1" in
  -s) printf 'Inst lib-tool (1.0 X [amd64])\\nInst tool (1.0 X [amd64])\\n' ;;
  update) for o in ${folder}/cache/apt-lists; do : > "$o/x_Packages"; done; rm ${folder}/stale ;;
  download) if [ -e ${folder}/stale ]; then echo "E: 404 Not Found" >&2; exit 100; fi; cp ${folder}/debs/*.deb . ;;
  show) printf 'Package: libc6\\nVersion: 2\\nArchitecture: amd64\\n\\n' ;;
esac
`;
    for (const name of ["apt-get", "apt-cache"]) writeFileSync(join(bin, name), apt, { mode: 0o755 });
    process.env.PATH = `${bin}:${before.PATH}`;
    mkdirSync(join(process.env.COMPUTE_MESH_CACHE!, "apt-lists"), { recursive: true });
    writeFileSync(join(process.env.COMPUTE_MESH_CACHE!, "apt-lists", "x_Packages"), "");
  });

  it("has the files of all packages, those of /bin and /lib below /usr, and no program that makes its caller root", async () => {
    const { root, packages } = await debianRootEntry("tool", ["tool"], quietly);
    expect(packages.map(({ name }) => name)).toEqual(["lib-tool", "tool"]);
    expect(lstatSync(join(root, "bin")).isSymbolicLink()).toBe(true);
    expect(readFileSync(join(root, "usr/bin/tool"), "utf8")).toBe("in /bin");
    expect(readFileSync(join(root, "usr/lib/libtool.so"), "utf8")).toBe("library");
    expect(statSync(join(root, "usr/bin/su")).mode & 0o7777).toBe(0o755);
    expect(readdirSync(join(root, "..")).sort()).toEqual(["entry.json", "packages.json", "root"]);
  });

  it("is made once, and anew for other packages or exclusions", async () => {
    const first = await debianRoot("tool", ["tool"], quietly);
    const made = calls().length;
    expect(await debianRoot("tool", ["tool"], quietly)).toBe(first);
    expect(calls()).toHaveLength(made);
    expect(await debianRoot("tool", ["tool"], { ...quietly, exclude: ["libc6"] })).not.toBe(first);
    expect(calls()).toContain("show --no-all-versions libc6");
    expect(calls()).toContain("download lib-tool=1.0 tool=1.0");
  });

  it("is made with new lists where the old ones name packages that are gone", async () => {
    writeFileSync(join(folder, "stale"), "");
    const root = await debianRoot("tool", ["tool"], quietly);
    expect(existsSync(join(root, "usr/bin/tool"))).toBe(true);
    expect(calls()).toContain("update");
  });

  it("says what apt says where it cannot be made, and leaves nothing behind", async () => {
    writeFileSync(join(folder, "bin", "apt-get"), '#!/bin/sh\necho "E: Unable to locate package tool" >&2\nexit 100\n', { mode: 0o755 });
    await expect(debianRoot("tool", ["tool"], quietly)).rejects.toThrow(
      "packages of tool: apt-get install: E: Unable to locate package tool",
    );
    expect(readdirSync(join(folder, "cache", "entries"))).toEqual([]);
  });
});

function buildPackage(name: string, files: Record<string, string>): void {
  const root = join(folder, "source", name);
  for (const [path, content] of Object.entries(files)) {
    mkdirSync(join(root, path, ".."), { recursive: true, mode: 0o755 });
    writeFileSync(join(root, path), content);
    chmodSync(join(root, path), path.endsWith("su") ? 0o4755 : 0o755);
  }
  mkdirSync(join(root, "DEBIAN"));
  writeFileSync(
    join(root, "DEBIAN", "control"),
    `Package: ${name}\nVersion: 1.0\nArchitecture: all\nMaintainer: x <x@example.com>\nDescription: x\n`,
  );
  mkdirSync(join(folder, "debs"), { recursive: true });
  execFileSync("dpkg-deb", ["--build", root, join(folder, "debs")], { stdio: "ignore" });
}
