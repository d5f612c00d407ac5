/** Runs packed images with runc, as root, in a read-only root file system like that of our pods. */
import { execFileSync, type SpawnSyncReturns, spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { ImageConfig } from "../../../tools/live/images/oci";

/** An image unpacked from its tar file. */
export interface UnpackedImage {
  root: string;
  config: ImageConfig;
}

interface Index {
  manifests: { digest: string }[];
}

/** A JSON blob of an image's tar file. */
export function readBlob<T>(tar: string, path: string): T {
  return JSON.parse(execFileSync("tar", ["-xOf", tar, path], { encoding: "utf8", maxBuffer: 1 << 26 })) as T;
}

/** Path of a blob. */
export function blobPath(digest: string): string {
  return `blobs/sha256/${digest.replace(/^sha256:/, "")}`;
}

/** Lays the layers of an image over each other in `root`. */
export function unpackImage(tar: string, root: string): UnpackedImage {
  const index = readBlob<Index>(tar, "index.json");
  const manifest = readBlob<{ config: { digest: string }; layers: { digest: string }[] }>(tar, blobPath(index.manifests[0].digest));
  mkdirSync(root, { recursive: true });
  for (const layer of manifest.layers) {
    const script = 'tar -xOf "$1" "$2" | tar -xp --numeric-owner --keep-directory-symlink -C "$3"';
    execFileSync("sh", ["-c", script, "sh", tar, blobPath(layer.digest), root]);
  }
  return { root, config: readBlob<{ config: ImageConfig }>(tar, blobPath(manifest.config.digest)).config };
}

/** A container to run. */
export interface ContainerRequest {
  image: UnpackedImage;
  /** Default: entry point and command of the image. */
  args?: string[];
  env?: Record<string, string>;
  uid: number;
  /** Folders in memory that belong to the user. */
  memory?: string[];
  /** Files that are mounted read-only: path → content. */
  files?: Record<string, string>;
}

/** A running container. */
export interface Container {
  /** Runs a program in it to the end. */
  exec: (...args: string[]) => SpawnSyncReturns<string>;
  isRunning: () => boolean;
  /** For example `TERM`. */
  signal: (name: string) => void;
  /** What it has printed. */
  log: () => string;
  /** Ends it and removes what is left of it. */
  remove: () => void;
}

const namespaces = ["pid", "ipc", "uts", "mount", "network"].map((type) => ({ type }));

/** Starts a container; the network is its own, with nothing in it but the loopback. */
export function startContainer(runc: string, name: string, request: ContainerRequest): Container {
  const { bundle, state } = writeBundle(name, request);
  const call = (...args: string[]): SpawnSyncReturns<string> =>
    spawnSync(runc, ["--root", state, ...args], { encoding: "utf8", timeout: 60_000 });
  const log = join(bundle, "log");
  // A detached container writes where runc's own output goes.
  const script = '"$1" --root "$2" run --detach --bundle "$3" "$4" > "$5" 2>&1 < /dev/null';
  const started = spawnSync("sh", ["-c", script, "sh", runc, state, bundle, name, log]);
  if (started.status !== 0) throw new Error(`runc run: ${readFileSync(log, "utf8")}`);
  return {
    exec: (...args) => call("exec", name, ...args),
    isRunning: () => (JSON.parse(call("state", name).stdout) as { status: string }).status === "running",
    signal: (signal) => void call("kill", name, signal),
    log: () => readFileSync(log, "utf8"),
    remove: () => {
      call("delete", "--force", name);
      rmSync(bundle, { recursive: true, force: true });
    },
  };
}

/** Runs a container to its end. */
export function runContainer(runc: string, name: string, request: ContainerRequest): SpawnSyncReturns<string> {
  const { bundle, state } = writeBundle(name, request);
  try {
    return spawnSync(runc, ["--root", state, "run", "--bundle", bundle, name], { encoding: "utf8", timeout: 60_000, input: "" });
  } finally {
    spawnSync(runc, ["--root", state, "delete", "--force", name]);
    rmSync(bundle, { recursive: true, force: true });
  }
}

/** A folder with the container's specification, and where runc keeps its state. */
function writeBundle(name: string, request: ContainerRequest): { bundle: string; state: string } {
  const bundle = mkdtempSync(join(tmpdir(), "compute-mesh-bundle-"));
  const { image, uid, memory = [], files = {} } = request;
  const mount = (destination: string, type: string, options: string[]): object => ({ destination, type, source: type, options });
  const mountedFiles = Object.entries(files).map(([destination, content], index) => {
    const source = join(bundle, `file-${index}`);
    writeFileSync(source, content, { mode: 0o644 });
    return { destination, type: "bind", source, options: ["bind", "ro"] };
  });
  const spec = {
    ociVersion: "1.0.2",
    process: {
      user: { uid, gid: uid },
      args: request.args ?? [...(image.config.Entrypoint ?? []), ...(image.config.Cmd ?? [])],
      env: [...(image.config.Env ?? []), ...Object.entries(request.env ?? {}).map(([key, value]) => `${key}=${value}`)],
      cwd: image.config.WorkingDir ?? "/",
      noNewPrivileges: true,
      capabilities: {},
    },
    root: { path: image.root, readonly: true },
    mounts: [
      mount("/proc", "proc", []),
      mount("/dev", "tmpfs", ["nosuid", "mode=755"]),
      mount("/dev/shm", "tmpfs", ["nosuid", "mode=1777"]),
      ...memory.map((path) => mount(path, "tmpfs", [`uid=${uid}`, `gid=${uid}`, "mode=0770"])),
      ...mountedFiles,
    ],
    linux: { namespaces, cgroupsPath: `/compute-mesh-test-${name}` },
  };
  writeFileSync(join(bundle, "config.json"), JSON.stringify(spec));
  return { bundle, state: join(bundle, "state") };
}
