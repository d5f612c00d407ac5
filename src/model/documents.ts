/** What all JSON documents of the mesh share: an apiVersion, a kind, and errors that name every wrong member at once. */
import { checkKnownKeys, isObject } from "./checks";
import type { Problems } from "./errors";

/** Version of the JSON forms of shard maps, cuts and manifests. A form that readers of this version would misread gets another one. */
export const apiVersion = "compute-mesh.dev/v1alpha1";

/**
 * Reads JSON text of one kind.
 *
 * @param members the known members besides `apiVersion` and `kind`
 * @throws MeshInputError where it is not JSON or not an object, because nothing else could be said about it
 */
export function parseDocument(problems: Problems, text: string, kind: string, members: readonly string[]): Record<string, unknown> {
  let document: unknown;
  try {
    document = JSON.parse(text);
  } catch (error) {
    problems.add("", text.slice(0, 60), `JSON is expected (${error instanceof Error ? error.message : String(error)})`);
  }
  if (!problems.any && !isObject(document)) {
    problems.add("", document, "a JSON object is expected");
  }
  problems.throwIfAny();
  const object = document as Record<string, unknown>;
  if (object["apiVersion"] !== apiVersion) {
    problems.add("apiVersion", object["apiVersion"], `"${apiVersion}" is the version that is understood here`);
  }
  if (object["kind"] !== kind) {
    problems.add("kind", object["kind"], `"${kind}" is expected`);
  }
  checkKnownKeys(problems, "", object, ["apiVersion", "kind", ...members]);
  return object;
}

/** Member order of `serialize…`: apiVersion and kind first, then as given; indented, with a newline at the end. */
export function formatDocument(kind: string, members: object): string {
  return `${JSON.stringify({ apiVersion, kind, ...members }, undefined, 2)}\n`;
}
