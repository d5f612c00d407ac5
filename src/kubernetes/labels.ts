/** Our own labels. Selectors use only these, because a changed selector replaces a workload. */
export const labelPrefix = "compute-mesh.dev";

/** On a Node: the name of the mesh node. */
export const nodeLabel = `${labelPrefix}/node`;
/** On a Node: the name of the mesh that it belongs to. */
export const meshLabel = `${labelPrefix}/mesh`;
/** On a Node of a pool: the pool that it belongs to. */
export const poolLabel = `${labelPrefix}/pool`;
/** On pods and Services: name of the component that made them. Part of frozen selectors. */
export const componentLabel = `${labelPrefix}/component`;
/** On pods: role inside the component, for example `database`. Part of frozen selectors. */
export const partLabel = `${labelPrefix}/part`;
export const serviceLabel = `${labelPrefix}/service`;
export const versionLabel = `${labelPrefix}/version`;
export const snapshotLabel = `${labelPrefix}/snapshot`;
/** On pod templates: checksum of the mounted configuration, so that a change of it rolls the pods. */
export const configHashAnnotation = `${labelPrefix}/config-hash`;
/** On data-bearing objects: what they hold, for policies. */
export const dataLabel = `${labelPrefix}/holds-data`;

/** Labels of an object for people and tools; never used in selectors. */
export function describeLabels(component: string, part: string): Record<string, string> {
  return {
    "app.kubernetes.io/managed-by": "compute-mesh",
    "app.kubernetes.io/name": part,
    "app.kubernetes.io/instance": component,
  };
}

/** The frozen, minimal selector of one workload. */
export function selectorLabels(component: string, part: string): Record<string, string> {
  return { [componentLabel]: component, [partLabel]: part };
}
