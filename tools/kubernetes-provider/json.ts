/** JSON values and Kubernetes objects as plain data, and safe ways to look into them. */

export type Json = null | boolean | number | string | Json[] | JsonMap;

export interface JsonMap {
  [key: string]: Json | undefined;
}

export interface Metadata extends JsonMap {
  name?: string;
  namespace?: string;
  uid?: string;
  resourceVersion?: string;
  generation?: number;
}

/** A Kubernetes object, complete enough to be sent to an API server. */
export interface KubeObject extends JsonMap {
  apiVersion: string;
  kind: string;
  metadata: Metadata;
}

/** A position in an object: keys and list indices from the root. */
export type Path = readonly (string | number)[];

export function isMap(value: unknown): value is JsonMap {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** The value at a path, or undefined where the path leaves the object. */
export function valueAt(root: Json | undefined, path: Path): Json | undefined {
  let value: Json | undefined = root;
  for (const key of path) {
    if (typeof key === "number") {
      value = Array.isArray(value) ? value[key] : undefined;
    } else {
      value = isMap(value) && Object.hasOwn(value, key) ? value[key] : undefined;
    }
  }
  return value;
}

export function numberAt(root: Json | undefined, ...path: Path): number | undefined {
  const value = valueAt(root, path);
  return typeof value === "number" ? value : undefined;
}

export function textAt(root: Json | undefined, ...path: Path): string | undefined {
  const value = valueAt(root, path);
  return typeof value === "string" ? value : undefined;
}

export function mapAt(root: Json | undefined, ...path: Path): JsonMap | undefined {
  const value = valueAt(root, path);
  return isMap(value) ? value : undefined;
}

/** The maps of a list; an empty list where there is none. */
export function mapsAt(root: Json | undefined, ...path: Path): JsonMap[] {
  const value = valueAt(root, path);
  return Array.isArray(value) ? value.filter(isMap) : [];
}

/** `true` and `"true"`: annotations and provider settings come as text. */
export function isTrue(value: Json | undefined): boolean {
  return value === true || value === "true";
}

/** The value of the annotation `pulumi.com/<name>`. */
export function pulumiAnnotation(object: JsonMap, name: string): string | undefined {
  return textAt(object, "metadata", "annotations", `pulumi.com/${name}`);
}

/** Sets `pulumi.com/<name>`; annotations that are not known yet (a preview) stay as they are. */
export function setPulumiAnnotation(object: JsonMap, name: string, value: string): void {
  const metadata = mapAt(object, "metadata");
  const annotations = metadata?.["annotations"];
  if (metadata && (annotations === undefined || isMap(annotations))) {
    metadata["annotations"] = { ...annotations, [`pulumi.com/${name}`]: value };
  }
}

/** The id of an object in Pulumi's state: `namespace/name`, or `name` where there are no namespaces. */
export function objectId(object: JsonMap): string {
  const name = textAt(object, "metadata", "name") ?? "";
  const namespace = textAt(object, "metadata", "namespace");
  return namespace ? `${namespace}/${name}` : name;
}

/** `apps/DaemonSet`, `/Service`: group and kind, the key of rules that hold for every version of a kind. */
export function groupKind(object: JsonMap): string {
  const apiVersion = textAt(object, "apiVersion") ?? "";
  const group = apiVersion.includes("/") ? apiVersion.slice(0, apiVersion.indexOf("/")) : "";
  return `${group}/${textAt(object, "kind") ?? ""}`;
}
