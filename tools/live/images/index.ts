/**
 * Container images without a container engine and without a registry: packed from Dockerfiles, Debian packages and what this project builds, as tar
 * files that `ctr images import` takes.
 */
import { createHash } from "node:crypto";
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { dirname, join } from "node:path";
import { cacheEntry, cacheFolder, lastDuration, recordDuration } from "../../cache";
import { readDistribution } from "../../debian";
import { messageOf } from "../../files";
import { projectRoot } from "../../paths";
import { currentPlatform } from "../../pins";
import { startProgress } from "../../progress";
import { ImageBuilder } from "./builder";
import { type ImageDefinition, images } from "./definitions";
import { parseDockerfile } from "./dockerfile";
import { type BuildRequest, contentKey, inputsOf, interpret, type StageFiles } from "./interpret";
import { writeImage } from "./oci";
import { removeOldVersions } from "./old-versions";

/** The sources that decide how inputs become an image; part of every key. */
const packer = ["bases", "builder", "dockerfile", "interpret", "oci", "run-forms", "tree"].map((name) => `tools/live/images/${name}.ts`);

/** `ghcr.io/compute-mesh/agent:0.1.0` → `ghcr.io-compute-mesh-agent-0.1.0`. */
function fileName(image: string): string {
  return image.replace(/[/:]/g, "-");
}

/** Key of an image's cache entry, and what it takes to pack it. */
async function plan(image: ImageDefinition): Promise<{ key: string; prefix: string; request: BuildRequest }> {
  const stages: Record<string, StageFiles> = {};
  for (const [name, make] of Object.entries(image.stages ?? {})) stages[name] = await make();
  const request = requestOf(image, stages);
  const code = packer.map((file) => contentKey(join(projectRoot, file)));
  const inputs = JSON.stringify([code, image.name, readDistribution(), currentPlatform().arch, await inputsOf(request)]);
  const prefix = `image-${fileName(image.name)}-`;
  return { key: prefix + createHash("sha256").update(inputs).digest("hex").slice(0, 12), prefix, request };
}

/**
 * Paths of the tar files of these images, by name; default: all. What is missing or was made of other sources is packed first. Throws for a name that
 * cannot be packed, with those that can.
 */
export async function packImages(names: readonly string[] = images.map(({ name }) => name)): Promise<Record<string, string>> {
  const wanted = names.map((name) => {
    const found = images.find((image) => image.name === name);
    if (found === undefined) {
      throw new Error(`image ${name} cannot be packed here: those that can are ${images.map((image) => image.name).join(", ")}`);
    }
    return found;
  });
  const paths: Record<string, string> = {};
  for (const image of wanted) {
    try {
      paths[image.name] = await packImage(image);
    } catch (error) {
      throw new Error(`image ${image.name}: ${messageOf(error)}`);
    }
  }
  return paths;
}

async function packImage(image: ImageDefinition): Promise<string> {
  const { key, prefix, request } = await plan(image);
  const { dir, made } = await cacheEntry(key, async (folder) => {
    const what = `packing ${image.name}`;
    const began = Date.now();
    const progress = startProgress(what, { lastSeconds: lastDuration(what)?.seconds });
    try {
      await pack(image.name, request, folder);
    } catch (error) {
      progress.fail();
      throw error;
    }
    recordDuration(what, { seconds: (Date.now() - began) / 1000 });
    progress.done();
    return { origin: "built", files: ["image.tar"] };
  });
  if (made) removeOldVersions(prefix, key);
  return join(dir, "image.tar");
}

/** Whether any version of the image lies in the cache. */
export function wasPacked(name: string): boolean {
  const entries = join(cacheFolder(), "entries");
  return existsSync(entries) && readdirSync(entries).some((entry) => entry.startsWith(`image-${fileName(name)}-`));
}

function requestOf(image: ImageDefinition, stages: Record<string, StageFiles>): BuildRequest {
  const { dockerfile, context = dirname(dockerfile), target, leaveOut = [] } = image;
  return {
    dockerfile: parseDockerfile(readFileSync(join(projectRoot, dockerfile), "utf8"), dockerfile),
    context: join(projectRoot, context),
    ...(target === undefined ? {} : { target }),
    stages,
    imageName: image.name.replace(/^.*\/|:.*$/g, ""),
    leaveOut,
  };
}

async function pack(name: string, request: BuildRequest, folder: string): Promise<void> {
  const layers = join(folder, "layers");
  mkdirSync(layers);
  const builder = new ImageBuilder(layers);
  await interpret(request, builder);
  const { config } = builder;
  const content = { name, architecture: currentPlatform().arch, layers: builder.layers, config };
  await writeImage(content, join(folder, "image.tar"), join(folder, "layout"));
  rmSync(layers, { recursive: true });
}

/** The table of README.md: image, what it is when packed here, what differs from the published one. */
export function imageTable(): string {
  const rows = images.map(({ name, what, differs }) => `| \`${name}\` | ${what} | ${differs} |\n`);
  return `| image | packed here | differs from the published image |\n| --- | --- | --- |\n${rows.join("")}`;
}
