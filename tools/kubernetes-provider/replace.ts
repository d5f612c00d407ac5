/**
 * Which changes replace an object. The table is the official provider's (pulumi-kubernetes, provider/pkg/provider/diff.go, forceNewProperties),
 * so that both make the same plan; it lists the fields that the API server refuses to change.
 */
import type { Change } from "./diff";
import { groupKind, isMap, isTrue, type Json, type JsonMap, textAt } from "./json";
import { isCoreSecret } from "./shape";

const podFields = [
  ...["affinity", "automountServiceAccountToken", "dnsConfig", "dnsPolicy", "enableServiceLinks", "hostAliases", "hostIPC", "hostNetwork"],
  ...[
    "hostPID",
    "hostname",
    "imagePullSecrets",
    "nodeName",
    "nodeSelector",
    "overhead",
    "preemptionPolicy",
    "priority",
    "priorityClassName",
  ],
  ...["readinessGates", "restartPolicy", "runtimeClassName", "schedulerName", "securityContext", "serviceAccount", "serviceAccountName"],
  ...["shareProcessNamespace", "subdomain", "terminationGracePeriodSeconds", "volumes"],
];
const containerFields = [
  ...["args", "command", "env", "image", "imagePullPolicy", "lifecycle", "livenessProbe", "ports", "readinessProbe", "resources"],
  ...[
    "securityContext",
    "stdin",
    "stdinOnce",
    "terminationMessagePath",
    "terminationMessagePolicy",
    "tty",
    "volumeDevices",
    "volumeMounts",
  ],
  "workingDir",
];
const volumeSources = [
  ...["awsElasticBlockStore", "azureDisk", "azureFile", "cephfs", "cinder", "csi", "fc", "flexVolume", "flocker", "gcePersistentDisk"],
  ...["glusterfs", "hostPath", "iscsi", "local", "nfs", "photonPersistentDisk", "portworxVolume", "quobyte", "rbd", "scaleIO", "storageos"],
  "vsphereVolume",
];
const statefulSet = ["podManagementPolicy", "revisionHistoryLimit", "selector", "serviceName", "volumeClaimTemplates"];

const inSpec = (fields: readonly string[]): string[] => fields.map((field) => `spec.${field}`);

/** Paths by `group/Kind`; list indices are left out of paths, so `spec.containers.image` means every container's image. */
const immutable: Readonly<Record<string, readonly string[]>> = {
  "apps/DaemonSet": ["spec.selector"],
  "apps/Deployment": ["spec.selector"],
  "apps/StatefulSet": inSpec(statefulSet),
  "batch/Job": inSpec(["completions", "parallelism", "selector", "template"]),
  "/PersistentVolume": inSpec(volumeSources),
  "/PersistentVolumeClaim": inSpec(["accessModes", "selector", "storageClassName", "volumeName"]),
  "/Pod": inSpec([...podFields, ...["containers", "initContainers"].flatMap((list) => containerFields.map((field) => `${list}.${field}`))]),
  "/ResourceQuota": ["spec.scopes"],
  "/Secret": ["type"],
  "/Service": ["spec.clusterIP"],
  "rbac.authorization.k8s.io/ClusterRoleBinding": ["roleRef"],
  "rbac.authorization.k8s.io/RoleBinding": ["roleRef"],
  "storage.k8s.io/StorageClass": ["parameters", "provisioner"],
};

/** Provider settings that decide whether data is updated in place. */
export interface MutableData {
  configMaps: boolean;
  secrets: boolean;
}

/** The paths whose change replaces `object`; custom resources have only their name and namespace. */
export function immutablePaths(object: JsonMap, mutable: MutableData): readonly string[] {
  const always = ["metadata.name", "metadata.namespace"];
  // By default the official provider replaces a ConfigMap or Secret rather than changing its data under running pods.
  const frozen = isTrue(object["immutable"]);
  if (isCoreSecret(object) && (!mutable.secrets || frozen)) {
    return [...always, "type", "stringData", "data"];
  }
  if (groupKind(object) === "/ConfigMap" && (!mutable.configMaps || frozen)) {
    return [...always, "binaryData", "data"];
  }
  return [...always, ...(immutable[groupKind(object)] ?? [])];
}

/** True when `change` touches one of `paths`: at it, below it, or above it with a value that holds it. */
export function replaces(paths: readonly string[], change: Change): boolean {
  const changed = change.path.filter((key) => typeof key === "string");
  return paths.some((text) => {
    const path = text.split(".");
    const shared = path.every((key, index) => index >= changed.length || key === changed[index]);
    const below = path.slice(changed.length);
    return shared && (below.length === 0 || holds(change.before, below) || holds(change.after, below));
  });
}

/**
 * Delete before create where both would have the same name; an auto-named object, and one whose name or namespace changes, is created first.
 */
export function deletesFirst(live: JsonMap, now: JsonMap, autonamed: boolean): boolean {
  const namespaceOf = (object: JsonMap): string => textAt(object, "metadata", "namespace") ?? "";
  const name = textAt(now, "metadata", "name");
  return !autonamed && name !== undefined && name === textAt(live, "metadata", "name") && namespaceOf(live) === namespaceOf(now);
}

function holds(value: Json | undefined, path: readonly string[]): boolean {
  const [key, ...rest] = path;
  if (key === undefined) {
    return true;
  }
  if (Array.isArray(value)) {
    return value.some((item) => holds(item, path));
  }
  return isMap(value) && value[key] !== undefined && holds(value[key], rest);
}
