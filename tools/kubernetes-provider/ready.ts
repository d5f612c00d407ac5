/** When an object counts as ready: the kinds that the official provider waits for, in the same sense. */
import type { Client } from "./client";
import { groupKind, isTrue, type JsonMap, type KubeObject, mapsAt, numberAt, textAt, valueAt } from "./json";

/** undefined: ready. A text: what it still waits for. Throws when it will never be ready. */
export type Judgement = string | undefined;

/** Judges objects by their status alone, except Services and claims, which lie with other objects. */
export async function pending(client: Client, object: KubeObject): Promise<Judgement> {
  switch (groupKind(object)) {
    case "/Service":
      return pendingService(client, object);
    case "/PersistentVolumeClaim":
      return pendingClaim(client, object);
    default:
      return pendingByStatus(object);
  }
}

/** The pure part; kinds without a rule are ready at once (Nodes too, as with the official provider). */
export function pendingByStatus(object: JsonMap): Judgement {
  const rule = rules[groupKind(object)];
  if (!rule) {
    return undefined;
  }
  return observed(object) ? rule(object) : "the controller has not seen it yet";
}

/** The controller has seen the newest generation; kinds that do not report one are judged as they are. */
function observed(object: JsonMap): boolean {
  return (
    !reportsGeneration.has(groupKind(object)) ||
    (numberAt(object, "status", "observedGeneration") ?? 0) >= (numberAt(object, "metadata", "generation") ?? 0)
  );
}

const reportsGeneration = new Set(["apps/DaemonSet", "apps/Deployment", "apps/StatefulSet"]);

const rules: Readonly<Record<string, (object: JsonMap) => Judgement>> = {
  "apps/DaemonSet": (object) => {
    const wanted = count(object, "desiredNumberScheduled");
    const updated = count(object, "updatedNumberScheduled");
    const ready = count(object, "numberReady");
    const done = ready >= wanted && (onDelete(object) || updated >= wanted);
    return done ? undefined : `${ready} of ${wanted} pods ready, ${updated} updated`;
  },
  "apps/Deployment": (object) => {
    const progress = condition(object, "Progressing");
    if (progress?.["reason"] === "ProgressDeadlineExceeded") {
      throw new Error(textAt(progress, "message") ?? "progress deadline exceeded");
    }
    const wanted = numberAt(object, "spec", "replicas") ?? 1;
    const available = count(object, "availableReplicas");
    const updated = count(object, "updatedReplicas");
    const done = available >= wanted && updated >= wanted && count(object, "replicas") <= wanted;
    return done ? undefined : `${available} of ${wanted} replicas available, ${updated} updated`;
  },
  "apps/StatefulSet": (object) => {
    const wanted = numberAt(object, "spec", "replicas") ?? 1;
    const partition = numberAt(object, "spec", "updateStrategy", "rollingUpdate", "partition") ?? 0;
    const ready = count(object, "readyReplicas");
    const updated = count(object, "updatedReplicas");
    const settled = partition === 0 && textAt(object, "status", "currentRevision") === textAt(object, "status", "updateRevision");
    const done = ready >= wanted && (onDelete(object) || updated >= wanted - partition || settled);
    return done ? undefined : `${ready} of ${wanted} replicas ready, ${updated} updated`;
  },
  "batch/Job": (object) => {
    const failed = condition(object, "Failed");
    if (failed?.["status"] === "True") {
      throw new Error(`job failed: ${textAt(failed, "reason") ?? ""}: ${textAt(failed, "message") ?? ""}`);
    }
    const done = isTrue(valueAt(object, ["spec", "suspend"])) || condition(object, "Complete")?.["status"] === "True";
    const wanted = numberAt(object, "spec", "completions") ?? 1;
    return done ? undefined : `${count(object, "succeeded")} of ${wanted} completions, ${count(object, "active")} running`;
  },
  "/Pod": (object) => {
    const phase = textAt(object, "status", "phase");
    if (phase === "Failed") {
      throw new Error(`pod failed: ${textAt(object, "status", "reason") ?? ""} ${textAt(object, "status", "message") ?? ""}`);
    }
    const done = phase === "Succeeded" || condition(object, "Ready")?.["status"] === "True";
    return done ? undefined : `pod is ${phase ?? "not scheduled"}`;
  },
  "/Namespace": (object) => {
    const phase = textAt(object, "status", "phase");
    return phase === "Active" ? undefined : `namespace is ${phase ?? "new"}`;
  },
  "apiextensions.k8s.io/CustomResourceDefinition": (object) =>
    condition(object, "Established")?.["status"] === "True" ? undefined : "definition is not established yet",
};

async function pendingService(client: Client, service: KubeObject): Promise<Judgement> {
  const type = textAt(service, "spec", "type");
  if (type === "LoadBalancer" && mapsAt(service, "status", "loadBalancer", "ingress").length === 0) {
    return "no load balancer address yet";
  }
  const headless = textAt(service, "spec", "clusterIP") === "None";
  const selector = valueAt(service, ["spec", "selector"]);
  if (!selector || headless || type === "ExternalName") {
    return undefined;
  }
  const path = `/apis/discovery.k8s.io/v1/namespaces/${service.metadata.namespace ?? "default"}/endpointslices`;
  const slices = await client.request("GET", path, { labelSelector: `kubernetes.io/service-name=${service.metadata.name ?? ""}` });
  const endpoints = mapsAt(slices, "items").flatMap((slice) => mapsAt(slice, "endpoints"));
  const ready = endpoints.some((endpoint) => valueAt(endpoint, ["conditions", "ready"]) !== false);
  return ready ? undefined : "no ready endpoint behind the selector";
}

async function pendingClaim(client: Client, claim: KubeObject): Promise<Judgement> {
  const phase = textAt(claim, "status", "phase");
  if (phase === "Bound") {
    return undefined;
  }
  const name = textAt(claim, "spec", "storageClassName");
  const storageClass = name
    ? await client.request("GET", `/apis/storage.k8s.io/v1/storageclasses/${name}`).catch(() => undefined)
    : undefined;
  return storageClass?.["volumeBindingMode"] === "WaitForFirstConsumer" ? undefined : `claim is ${phase ?? "new"}`;
}

function condition(object: JsonMap, type: string): JsonMap | undefined {
  return mapsAt(object, "status", "conditions").find((each) => each["type"] === type);
}

function count(object: JsonMap, field: string): number {
  return numberAt(object, "status", field) ?? 0;
}

function onDelete(object: JsonMap): boolean {
  return textAt(object, "spec", "updateStrategy", "type") === "OnDelete";
}
