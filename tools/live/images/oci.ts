/** Images as tar files in the OCI image layout (https://github.com/opencontainers/image-spec/blob/v1.1.1/image-layout.md), byte for byte the same for the same content. */
import { execFile } from "node:child_process";
import { createHash } from "node:crypto";
import { createReadStream, mkdirSync, renameSync, rmSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { promisify } from "node:util";

const run = promisify(execFile);

/** How the programs of an image are started; names as in the OCI specification. */
export interface ImageConfig {
  Env?: string[];
  Entrypoint?: string[];
  Cmd?: string[];
  User?: string;
  WorkingDir?: string;
  StopSignal?: string;
  ExposedPorts?: Record<string, Record<string, never>>;
  Labels?: Record<string, string>;
}

/** Files that become one layer. */
export interface LayerFiles {
  folder: string;
  /** Paths relative to the folder; folders in it stand for themselves only, not for what is inside. */
  paths: string[];
  /** Numeric owner of every file. Default: root. */
  owner?: { uid: number; gid: number };
  /** For the image's history. */
  createdBy: string;
}

/** What an image is made of. */
export interface ImageContent {
  /** Full name with tag, for example `docker.io/library/postgres:17.6`. */
  name: string;
  /** In the words of Go, for example `amd64`. */
  architecture: string;
  layers: LayerFiles[];
  config: ImageConfig;
}

const epoch = "1970-01-01T00:00:00Z";

/** Options that make tar forget when and by whom it was run. */
const reproducible = ["--format=gnu", "--numeric-owner", "--mtime=@0", "--no-recursion"];

/** Writes the image to `file`; `work` is an empty folder on the same disk, removed at the end. Returns the digest of its manifest. */
export async function writeImage(content: ImageContent, file: string, work: string): Promise<string> {
  const blobs = join(work, "blobs", "sha256");
  mkdirSync(blobs, { recursive: true });
  const blob = (value: unknown, mediaType: string): Descriptor => {
    const bytes = Buffer.from(JSON.stringify(value));
    const digest = createHash("sha256").update(bytes).digest("hex");
    writeFileSync(join(blobs, digest), bytes);
    return { mediaType, digest: `sha256:${digest}`, size: bytes.length };
  };
  const layers: Descriptor[] = [];
  for (const layer of content.layers) layers.push(await writeLayer(layer, blobs, work));
  const config = blob(
    {
      architecture: content.architecture,
      os: "linux",
      created: epoch,
      config: content.config,
      rootfs: { type: "layers", diff_ids: layers.map(({ digest }) => digest) },
      history: content.layers.map(({ createdBy }) => ({ created: epoch, created_by: createdBy })),
    },
    "application/vnd.oci.image.config.v1+json",
  );
  const mediaType = "application/vnd.oci.image.manifest.v1+json";
  const manifest = blob({ schemaVersion: 2, mediaType, config, layers }, mediaType);
  const annotations = {
    // Under this name containerd's import keeps the image.
    "io.containerd.image.name": content.name,
    "org.opencontainers.image.ref.name": content.name.slice(content.name.lastIndexOf(":") + 1),
  };
  const index = {
    schemaVersion: 2,
    mediaType: "application/vnd.oci.image.index.v1+json",
    manifests: [{ ...manifest, platform: { architecture: content.architecture, os: "linux" }, annotations }],
  };
  writeFileSync(join(work, "index.json"), JSON.stringify(index));
  writeFileSync(join(work, "oci-layout"), JSON.stringify({ imageLayoutVersion: "1.0.0" }));
  const digests = [...new Set([...layers, config, manifest].map(({ digest }) => digest.slice("sha256:".length)))].sort();
  const paths = ["oci-layout", "index.json", ...digests.map((digest) => `blobs/sha256/${digest}`)];
  await tar({ folder: work, paths, createdBy: "" }, file, work);
  rmSync(work, { recursive: true });
  return manifest.digest;
}

interface Descriptor {
  mediaType: string;
  digest: string;
  size: number;
}

async function writeLayer(layer: LayerFiles, blobs: string, work: string): Promise<Descriptor> {
  const file = join(work, "layer.tar");
  await tar(layer, file, work);
  const digest = await sha256(file);
  const size = statSync(file).size;
  renameSync(file, join(blobs, digest));
  return { mediaType: "application/vnd.oci.image.layer.v1.tar", digest: `sha256:${digest}`, size };
}

async function tar(files: LayerFiles, output: string, work: string): Promise<void> {
  const list = join(work, "paths");
  writeFileSync(list, files.paths.map((path) => `${path}\0`).join(""));
  const { uid, gid } = files.owner ?? { uid: 0, gid: 0 };
  // Each path once as it is listed: names that begin with a dash, or that tar would take as patterns, included.
  const names = ["--null", "--verbatim-files-from", "-T", list];
  await run("tar", [...reproducible, `--owner=${uid}`, `--group=${gid}`, "-C", files.folder, "-cf", output, ...names]);
  rmSync(list);
}

async function sha256(file: string): Promise<string> {
  const hash = createHash("sha256");
  for await (const chunk of createReadStream(file, { highWaterMark: 1 << 20 })) hash.update(chunk as Buffer);
  return hash.digest("hex");
}
