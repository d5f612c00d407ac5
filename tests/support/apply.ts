/** Server-side apply of emitted objects. */
import type { CustomObject } from "../../src/kubernetes/custom-resources";
import type { TestCluster } from "./cluster";

/** The plural of a kind, as the CRDs that we use have it. */
function pluralOf(kind: string): string {
  const word = kind.toLowerCase();
  if (/[^aeiou]y$/.test(word)) return `${word.slice(0, -1)}ies`;
  return word.endsWith("s") ? word : `${word}s`;
}

/** The path of an object of a namespace. */
export function pathOf({ apiVersion, kind, metadata }: CustomObject<string, unknown>): string {
  const base = apiVersion === "v1" ? "/api/v1" : `/apis/${apiVersion}`;
  return `${base}/namespaces/${metadata.namespace}/${pluralOf(kind)}/${metadata.name}`;
}

/** Applies objects, a few at a time, with strict field validation. Throws where one is refused. */
export async function applyAll(cluster: TestCluster, objects: readonly CustomObject<string, unknown>[]): Promise<void> {
  const left = [...objects];
  const worker = async (): Promise<void> => {
    for (let object = left.shift(); object !== undefined; object = left.shift()) {
      const path = `${pathOf(object)}?fieldManager=test&force=true&fieldValidation=Strict`;
      const answer = await cluster.request("PATCH", path, object, "application/apply-patch+yaml");
      if (answer.status >= 300)
        throw new Error(`${object.kind} ${object.metadata.name}: ${JSON.stringify(answer.body)}\n${JSON.stringify(object)}`);
    }
  };
  await Promise.all(Array.from({ length: 8 }, worker));
}
