import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { cacheKey } from "../../../tools/cache";
import { checksumIn } from "../../../tools/download";
import { compareVersions, goBuildArguments } from "../../../tools/go-build";
import { textHasVersion } from "../../../tools/path-lookup";
import { currentPlatform, pins, type ToolPin } from "../../../tools/pins";
import { silentProgress } from "../../../tools/progress";
import { resolvePin } from "../../../tools/resolve";

let folder: string;
const before = { ...process.env };
// Without downloads, as on a machine without a way out.
const pin: ToolPin = { ...pins.etcd, downloads: () => [] };

function program(path: string, script: string): void {
  mkdirSync(join(path, ".."), { recursive: true });
  writeFileSync(path, `#!/bin/sh\n${script}\n`);
  chmodSync(path, 0o755);
}

/** A `go` that says its version and "builds" a script which says the version of etcd. */
function fakeGo(path: string, version = "go1.26.8", toolchain = "auto", says = "etcd Version: 3.6.0"): void {
  program(
    path,
    `if [ "$1" = env ]; then echo ${version}; echo ${toolchain}; exit; fi
while [ "$1" != -o ]; do shift; done
echo go.etcd.io/etcd/server/v3 >&2
printf '#!/bin/sh\\necho "${says}"\\n' > "$2"; /bin/chmod 755 "$2"; echo built >> ${join(folder, "builds")}`,
  );
}

const resolve = (): ReturnType<typeof resolvePin> => resolvePin(pin, { progress: () => silentProgress });

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "compute-mesh-resolve-"));
  process.env.COMPUTE_MESH_CACHE = join(folder, "cache");
  process.env.COMPUTE_MESH_OFFLINE = "1";
  process.env.PATH = join(folder, "bin");
  mkdirSync(join(folder, "bin"));
});

afterEach(() => {
  process.env = { ...before };
  rmSync(folder, { recursive: true, force: true });
});

describe("resolving a tool", () => {
  it("takes the one on PATH in the pinned version before everything else", async () => {
    program(join(folder, "bin", "etcd"), 'echo "etcd Version: 3.6.0"');
    fakeGo(join(folder, "bin", "go"));
    expect(await resolve()).toEqual({
      name: "etcd",
      dir: join(folder, "bin"),
      binaries: { etcd: join(folder, "bin", "etcd") },
      origin: "path",
    });
  });

  it.each(['echo "etcd Version: 3.6.01"', 'echo "etcd Version: 3.6.0-rc.1"', "exit 1"])(
    "passes over the one on PATH that answers %s",
    async (script) => {
      program(join(folder, "bin", "etcd"), script);
      fakeGo(join(folder, "bin", "go"));
      expect((await resolve()).origin).toBe("built");
    },
  );

  it("builds where nothing else is left, and takes the cache from then on", async () => {
    fakeGo(join(folder, "bin", "go"));
    const built = await resolve();
    expect(built.origin).toBe("built");
    expect(built.dir).toBe(join(folder, "cache", "entries", cacheKey(pin, currentPlatform())));
    rmSync(join(folder, "bin", "go"));
    expect(await resolve()).toEqual({ ...built, origin: "cache" });
  });

  it("does not keep a build that reports another version", async () => {
    fakeGo(join(folder, "bin", "go"), "go1.26.8", "auto", "etcd Version: 3.5.0");
    await expect(resolve()).rejects.toThrow("etcd does not report version 3.6.0");
    await expect(resolve()).rejects.toThrow("etcd does not report version 3.6.0");
  });

  it.each([
    ["go1.20", "auto", "Go 1.20 "],
    ["go1.24.1", "local", "Go 1.24.1 "],
  ])("says what was tried and what to install where Go is %s with GOTOOLCHAIN=%s", async (version, toolchain, text) => {
    fakeGo(join(folder, "bin", "go"), version, toolchain);
    const error = await resolve().catch((thrown: Error) => thrown);
    expect((error as Error).message).toMatch(/^etcd 3\.6\.0 cannot be had:/);
    expect((error as Error).message).toContain("official download: switched off by COMPUTE_MESH_OFFLINE");
    expect((error as Error).message).toContain(text);
    expect((error as Error).message).toContain("install Go 1.26 or later from https://go.dev/dl");
  });

  it("shows the compiler's words where a build fails", async () => {
    program(
      join(folder, "bin", "go"),
      'if [ "$1" = env ]; then echo go1.26.8; echo auto; exit; fi\necho "main.go:1: broken thing" >&2; exit 1',
    );
    await expect(resolve()).rejects.toThrow("main.go:1: broken thing");
  });
});

describe("the pins", () => {
  it("build with fixed flags, several binaries into a folder and a single one under its name", () => {
    expect(goBuildArguments(pins.etcd, "/out")).toEqual([
      "build",
      "-v",
      "-trimpath",
      "-ldflags",
      "-s -w",
      "-o",
      "/out/etcd",
      "go.etcd.io/etcd/server/v3",
    ]);
    const kubernetes = goBuildArguments(pins.kubernetes, "/out");
    expect(kubernetes.slice(-5, -3)).toEqual(["-o", "/out/"]);
    expect(kubernetes.slice(-3).every((name) => name.startsWith("k8s.io/kubernetes/cmd/kube-"))).toBe(true);
  });

  it("download over https only, and server binaries for Linux only", () => {
    for (const tool of Object.values(pins)) {
      for (const item of tool.downloads({ os: "linux", arch: "arm64" })) {
        expect(item.url).toMatch(/^https:\/\//);
        expect(item.url).toContain(tool.version);
        expect(item.url).toContain("arm64");
      }
    }
    expect(pins.kubernetes.downloads({ os: "darwin", arch: "arm64" })).toEqual([]);
  });
});

describe("versions and checksums", () => {
  it("knows a version only as a whole word", () => {
    expect(textHasVersion("Kubernetes v1.36.3\n", "1.36.3")).toBe(true);
    expect(textHasVersion("kwok version v0.8.0 go1.26.8 (linux/amd64)", "0.8.0")).toBe(true);
    expect(textHasVersion("v11.36.3", "1.36.3")).toBe(false);
    expect(textHasVersion("v1.36.3-dirty", "1.36.3")).toBe(false);
    expect(textHasVersion("1.36.31", "1.36.3")).toBe(false);
  });

  it("compares versions by number", () => {
    expect(compareVersions("1.9", "1.21")).toBe(-1);
    expect(compareVersions("1.26.8", "1.26")).toBe(1);
    expect(compareVersions("1.21", "1.21.0")).toBe(0);
  });

  it("finds a checksum in a list, and in a file with the sum alone", () => {
    const [one, two] = ["a".repeat(64), "B".repeat(64)];
    expect(checksumIn(`${one}  x.tar.gz\n${two} *y.tar.gz\n`, "y.tar.gz")).toBe("b".repeat(64));
    expect(checksumIn(one, "x")).toBe(one);
    expect(checksumIn(`${one}  x.tar.gz\n`, "z")).toBeUndefined();
    expect(checksumIn("<html>", "z")).toBeUndefined();
  });
});
