/** Where Kubernetes objects keep their pods' specification. */
import { objectOf, objectsOf, valueAt, type Properties } from "./objects";

const podSpecPaths = [
  // Deployment, DaemonSet, StatefulSet, Job and the workloads of OpenKruise
  ["spec", "template", "spec"],
  // CronJob
  ["spec", "jobTemplate", "spec", "template", "spec"],
  // Pod and SidecarSet
  ["spec"],
  // PodTemplate
  ["template", "spec"],
];

/** The pod specification in a Kubernetes object, or `undefined` where it has none. */
export function podSpecOf(type: string, props: Properties): Properties | undefined {
  return type.startsWith("kubernetes:")
    ? podSpecPaths.map((path) => objectOf(valueAt(props, ...path))).find((spec) => Array.isArray(spec["containers"]))
    : undefined;
}

/** A container and where it stands, for messages. */
export interface FoundContainer {
  /** For example `container "database"`. */
  title: string;
  container: Properties;
}

/** All containers of a pod specification, those that run first included. */
export function containersOf(podSpec: Properties): FoundContainer[] {
  const kinds = { containers: "container", initContainers: "init container" };
  return Object.entries(kinds).flatMap(([key, title]) =>
    objectsOf(podSpec[key]).map((container) => ({ title: `${title} ${JSON.stringify(container["name"])}`, container })),
  );
}
