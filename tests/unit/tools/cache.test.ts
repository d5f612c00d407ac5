import { cpSync, existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { cachedEntry, cacheEntry, cacheFolder, cacheKey, lastDuration, recordDuration } from "../../../tools/cache";
import { withLock } from "../../../tools/lock";
import { pins } from "../../../tools/pins";
import { projectRoot } from "../../../tools/paths";

const linux = { os: "linux", arch: "amd64" };
let folder: string;
const before = process.env.COMPUTE_MESH_CACHE;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "compute-mesh-cache-"));
  process.env.COMPUTE_MESH_CACHE = folder;
});

afterEach(() => {
  if (before === undefined) delete process.env.COMPUTE_MESH_CACHE;
  else process.env.COMPUTE_MESH_CACHE = before;
  rmSync(folder, { recursive: true, force: true });
});

describe("the place of the cache", () => {
  it("is COMPUTE_MESH_CACHE, else below XDG_CACHE_HOME, else below the home folder", () => {
    expect(cacheFolder({ COMPUTE_MESH_CACHE: "/x", XDG_CACHE_HOME: "/y" })).toBe("/x");
    expect(cacheFolder({ XDG_CACHE_HOME: "/y" })).toBe("/y/compute-mesh");
    expect(cacheFolder({ XDG_CACHE_HOME: "relative" })).toMatch(/\/\.cache\/compute-mesh$/);
    expect(() => cacheFolder({ COMPUTE_MESH_CACHE: "relative" })).toThrow("must be an absolute path");
  });
});

describe("a cache key", () => {
  it("names tool, version and platform", () => {
    expect(cacheKey(pins.etcd, linux)).toMatch(/^etcd-3\.6\.0-linux-amd64-[0-9a-f]{12}$/);
    expect(cacheKey(pins.etcd, { os: "darwin", arch: "arm64" })).toContain("-darwin-arm64-");
  });

  it("changes with everything that decides what is built", () => {
    const key = cacheKey(pins.kwok, linux);
    expect(cacheKey(pins.kwok, linux)).toBe(key);
    expect(cacheKey({ ...pins.kwok, go: { ...pins.kwok.go, ldflags: "-s" } }, linux)).not.toBe(key);
    expect(cacheKey({ ...pins.kwok, go: { ...pins.kwok.go, tags: "x" } }, linux)).not.toBe(key);
    expect(cacheKey({ ...pins.kwok, go: { ...pins.kwok.go, packages: ["other"] } }, linux)).not.toBe(key);
    for (const file of ["go.mod", "go.sum"]) {
      const copy = join(folder, file);
      mkdirSync(join(copy, pins.kwok.go.folder), { recursive: true });
      cpSync(join(projectRoot, pins.kwok.go.folder), join(copy, pins.kwok.go.folder), { recursive: true });
      expect(cacheKey(pins.kwok, linux, copy)).toBe(key);
      writeFileSync(join(copy, pins.kwok.go.folder, file), "// changed\n", { flag: "a" });
      expect(cacheKey(pins.kwok, linux, copy)).not.toBe(key);
    }
  });
});

describe("a cache entry", () => {
  const make = jest.fn(async (temporary: string) => {
    await new Promise((resolve) => setTimeout(resolve, 20));
    writeFileSync(join(temporary, "tool"), "content");
    return { origin: "built" as const, files: ["tool"] };
  });
  beforeEach(() => make.mockClear());

  it("is made once, even when two ask for it at the same time", async () => {
    const [first, second] = await Promise.all([cacheEntry("k", make), cacheEntry("k", make)]);
    expect(make).toHaveBeenCalledTimes(1);
    expect([first.made, second.made].sort()).toEqual([false, true]);
    expect(existsSync(join(first.dir, "tool"))).toBe(true);
  });

  it("does not appear when making it fails, and nothing of it is left", async () => {
    await expect(cacheEntry("k", () => Promise.reject(new Error("no")))).rejects.toThrow("no");
    expect(cachedEntry("k")).toBeUndefined();
    expect(readdirSync(join(folder, "entries"))).toEqual([]);
  });

  it("is made again when a file of it is missing, and what a killed run left is removed", async () => {
    const { dir } = await cacheEntry("k", make);
    rmSync(join(dir, "tool"));
    mkdirSync(join(folder, "entries", ".k.deadbeef"));
    expect((await cacheEntry("k", make)).made).toBe(true);
    expect(readdirSync(join(folder, "entries"))).toEqual(["k"]);
  });

  it("is not held up by the lock of a dead process", async () => {
    mkdirSync(join(folder, "locks"), { recursive: true });
    writeFileSync(join(folder, "locks", "k.lock"), JSON.stringify({ pid: process.pid, startTime: "an earlier process with this pid" }));
    expect((await cacheEntry("k", make)).made).toBe(true);
  });
});

describe("the lock", () => {
  it("lets one in at a time and is gone afterwards, errors included", async () => {
    const path = join(folder, "l.lock");
    let inside = 0;
    let most = 0;
    const work = async (): Promise<void> => {
      most = Math.max(most, (inside += 1));
      await new Promise((resolve) => setTimeout(resolve, 5));
      inside -= 1;
    };
    await Promise.all(Array.from({ length: 8 }, () => withLock(path, work)));
    expect(most).toBe(1);
    await expect(withLock(path, () => Promise.reject(new Error("inner")))).rejects.toThrow("inner");
    expect(existsSync(path)).toBe(false);
  });
});

describe("remembered durations", () => {
  it("keep the last time and the largest number of steps", () => {
    expect(lastDuration("building x")).toBeUndefined();
    recordDuration("building x", { seconds: 250.04, steps: 1450 });
    recordDuration("building x", { seconds: 3, steps: 2 });
    expect(lastDuration("building x")).toEqual({ seconds: 3, steps: 1450 });
  });
});
