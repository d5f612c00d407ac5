/**
 * Container image references: an image must say which one it is, or two nodes of a mesh may run two different programs under one version.
 *
 * Grammar: https://github.com/distribution/reference (`[registry[:port]/]path[:tag][@algorithm:hex]`).
 */

const digestPattern = /^[a-z0-9]+(?:[+._-][a-z0-9]+)*:[0-9a-fA-F]{32,}$/;
const tagPattern = /^\w[\w.-]{0,127}$/;
const namePattern = /^(?:[A-Za-z0-9.-]+(?::[0-9]+)?\/)?[a-z0-9]+(?:[._-]+[a-z0-9]+)*(?:\/[a-z0-9]+(?:[._-]+[a-z0-9]+)*)*$/;

/** An image reference in its parts. */
export interface ImageReference {
  /** Registry and path, for example `ghcr.io/acme/prices`. */
  name: string;
  tag?: string;
  /** For example `sha256:…`. */
  digest?: string;
}

/** The parts of an image reference, or `undefined` where it is none. */
export function parseImage(image: string): ImageReference | undefined {
  const [rest = "", digest, ...more] = image.split("@");
  // A colon before the last slash belongs to the port of a registry.
  const colon = rest.indexOf(":", rest.lastIndexOf("/") + 1);
  const name = colon < 0 ? rest : rest.slice(0, colon);
  const tag = colon < 0 ? undefined : rest.slice(colon + 1);
  const valid =
    more.length === 0 &&
    namePattern.test(name) &&
    (tag === undefined || tagPattern.test(tag)) &&
    (digest === undefined || digestPattern.test(digest));
  return valid ? { name, ...(tag === undefined ? {} : { tag }), ...(digest === undefined ? {} : { digest }) } : undefined;
}

/** What is wrong with an image that must be pinned, as a sentence of what is allowed; `undefined` where nothing is. */
export function pinnedImageProblem(image: unknown): string | undefined {
  const reference = typeof image === "string" ? parseImage(image) : undefined;
  if (reference === undefined) {
    return "an image reference is allowed, for example ghcr.io/acme/prices:1.4.2";
  }
  if (reference.digest !== undefined) {
    return undefined;
  }
  if (reference.tag === undefined) {
    return `a tag or a digest is needed, for example ${reference.name}:1.4.2: without one, nodes may run different programs`;
  }
  return reference.tag === "latest" ? `a tag other than "latest", or a digest, is needed: "latest" changes under running nodes` : undefined;
}
