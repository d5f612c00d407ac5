/** What the metadata of every object of a GlooRoutes has in common. */
import type { CustomObject } from "../kubernetes/custom-resources";
import { componentLabel, describeLabels } from "../kubernetes/labels";

/** Name, namespace and labels of an object. `part`: what it is, for its labels. */
export function metadataOf<N>(
  { name, namespace }: { name: string; namespace: N },
  objectName: string,
  part: string,
): CustomObject<N, unknown>["metadata"] {
  return { name: objectName, namespace, labels: { ...describeLabels(name, part), [componentLabel]: name } };
}
