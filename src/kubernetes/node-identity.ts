/**
 * How a pod learns the name of its mesh node and reads its shards.
 *
 * The pod finds one file, `/etc/compute-mesh/node.env`, with `MESH_NODE`, `MESH_SHARDS` and `MESH_PRIMARY_SHARDS` (comma lists, ascending). It comes
 * from one ConfigMap with one key per mesh node, in one of two ways:
 *
 * - `nodeName`: where the Kubernetes names of all nodes are known before deployment, the keys are those names and the pod mounts its own key
 *   with `subPathExpr`. It needs no access to the API server.
 * - `nodeLabel`: otherwise the keys are the names of the mesh nodes, and an init container reads the label `compute-mesh.dev/node` of its Node.
 *   It may get Nodes and nothing else; its token is mounted into that container alone.
 *
 * A node that the pods' node selector matches and the shard map does not name has no shards, and its pods idle: in the first way a directory is in place of
 * the file, in the second a file with empty lists.
 *
 * Neither mount follows a change of the ConfigMap, so a workload puts `hash` into its config-hash annotation and rolls with the shard map.
 */
import * as k8s from "@pulumi/kubernetes";
import * as pulumi from "@pulumi/pulumi";
import { dnsName } from "../model/names";
import { type ChildTransform, createChild } from "./children";
import { describeLabels, nodeLabel } from "./labels";
import type { NodeIdentityPlan } from "./node-identity-plan";
import { lastWords, restrictedContainer } from "./pods";

/** Where every container that mounts the parts finds its node's file. */
export const nodeFilePath = "/etc/compute-mesh/node.env";

/** Image with `sh`, `sed` and `curl` that reads the label of a Node. */
export const defaultNodeReaderImage = "docker.io/curlimages/curl:8.11.1";

const nodeFileDirectory = "/etc/compute-mesh";
const shardFilesDirectory = "/etc/compute-mesh-shards";
const apiAccessDirectory = "/var/run/compute-mesh-api";
/** No user of any image: what runs here needs no name. */
const readerUser = 10001;

/** Raw overrides of the children that `createNodeIdentity` makes. */
export interface NodeIdentityTransforms {
  /** The ConfigMap with one key per node. */
  shards?: ChildTransform<k8s.core.v1.ConfigMapArgs>;
  /** The ServiceAccount of the pods; only where the Node's label must be read and the workload brings none. */
  serviceAccount?: ChildTransform<k8s.core.v1.ServiceAccountArgs>;
  /** The ClusterRole that may get Nodes; only where the Node's label must be read. */
  nodeReaderRole?: ChildTransform<k8s.rbac.v1.ClusterRoleArgs>;
  nodeReaderBinding?: ChildTransform<k8s.rbac.v1.ClusterRoleBindingArgs>;
}

/** What `createNodeIdentity` needs. */
export interface NodeIdentityArgs {
  namespace: pulumi.Input<string>;
  plan: NodeIdentityPlan;
  /** ServiceAccount of the workload where it has one already. Default: one is created where the Node's label must be read. */
  serviceAccountName?: pulumi.Input<string>;
  /** Image with `sh`, `sed` and `curl`. Default: `docker.io/curlimages/curl:8.11.1`. */
  readerImage?: string;
}

/** Parts of a pod spec. The volumes and init containers go to the front of the pod's own; mounts and env into every container that reads the file. */
export interface NodeIdentityParts {
  /** `NODE_NAME`, the name of the Kubernetes node. */
  env: k8s.types.input.core.v1.EnvVar[];
  volumeMounts: k8s.types.input.core.v1.VolumeMount[];
  volumes: k8s.types.input.core.v1.Volume[];
  initContainers: k8s.types.input.core.v1.Container[];
  /** Absent where the pods need no ServiceAccount. The pods must set `automountServiceAccountToken: false` in either case. */
  serviceAccountName?: pulumi.Input<string>;
  /** What must exist before the pods start. */
  dependsOn: pulumi.Resource[];
}

/** Creates the ConfigMap of the nodes and, where the Node's label must be read, the least access for that; returns the parts of the pods. */
export function createNodeIdentity(
  parent: pulumi.Resource,
  name: string,
  args: NodeIdentityArgs,
  transforms?: NodeIdentityTransforms,
): NodeIdentityParts {
  const shards = createChild(
    k8s.core.v1.ConfigMap,
    `${name}-shards`,
    {
      metadata: { name: args.plan.configMapName, namespace: args.namespace, labels: describeLabels(name, "shards") },
      data: args.plan.files,
    },
    { parent },
    transforms?.shards,
  );
  const env = [{ name: "NODE_NAME", valueFrom: { fieldRef: { fieldPath: "spec.nodeName" } } }];
  if (args.plan.mode === "nodeName") {
    return {
      env,
      volumes: [{ name: "node-identity", configMap: { name: shards.metadata.name } }],
      volumeMounts: [{ name: "node-identity", mountPath: nodeFilePath, subPathExpr: "$(NODE_NAME)", readOnly: true }],
      initContainers: [],
      ...(args.serviceAccountName === undefined ? {} : { serviceAccountName: args.serviceAccountName }),
      dependsOn: [shards],
    };
  }
  const serviceAccountName = args.serviceAccountName ?? createServiceAccount(parent, name, args, transforms).metadata.name;
  const binding = createNodeReader(parent, name, args, serviceAccountName, transforms);
  return {
    env,
    volumes: [
      { name: "node-identity", emptyDir: { sizeLimit: "1Mi" } },
      { name: "shards", configMap: { name: shards.metadata.name } },
      { name: "node-reader-access", projected: { sources: apiAccess } },
    ],
    volumeMounts: [{ name: "node-identity", mountPath: nodeFileDirectory, readOnly: true }],
    initContainers: [readerContainer(args.readerImage ?? defaultNodeReaderImage, env)],
    serviceAccountName,
    dependsOn: [shards, binding],
  };
}

/**
 * Reads the label of the pod's own Node and copies the file of that mesh node to where the other containers read it.
 *
 * Only the metadata is asked for, indented, and only the lines of `labels` are searched, because an annotation can quote the same key.
 */
export const readNodeLabelScript = `set -eu
access=\${API_ACCESS:-${apiAccessDirectory}}
files=\${SHARD_FILES:-${shardFilesDirectory}}
target=\${NODE_FILE:-${nodeFilePath}}
case "$KUBERNETES_SERVICE_HOST" in
  *:*) host="[$KUBERNETES_SERVICE_HOST]" ;;
  *) host="$KUBERNETES_SERVICE_HOST" ;;
esac
answer=$(printf 'header = "Authorization: Bearer %s"\\n' "$(cat "$access/token")" |
  curl -K - -sS --fail --retry 10 --retry-delay 2 --retry-connrefused --max-time 10 --cacert "$access/ca.crt" \\
    -H "Accept: application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1" \\
    "https://$host:$KUBERNETES_SERVICE_PORT/api/v1/nodes/$NODE_NAME?pretty=true")
node=$(printf '%s\\n' "$answer" | sed -n '/"labels": *{/,/}/s|.*"${nodeLabel.replace(".", "\\.")}": *"\\([a-z0-9-]*\\)".*|\\1|p' | head -n 1)
if [ -z "$node" ]; then
  echo "the Kubernetes node $NODE_NAME has no label ${nodeLabel}" >&2
  exit 1
fi
if [ -f "$files/$node" ]; then
  cp "$files/$node" "$target.next"
else
  echo "the shard map does not name the mesh node $node of the Kubernetes node $NODE_NAME: it has no shards" >&2
  printf 'MESH_NODE=%s\\nMESH_SHARDS=\\nMESH_PRIMARY_SHARDS=\\n' "$node" > "$target.next"
fi
mv "$target.next" "$target"
cat "$target"
`;

/** What a pod's ServiceAccount token volume has, for one container only. */
const apiAccess = [
  { serviceAccountToken: { path: "token", expirationSeconds: 3600 } },
  { configMap: { name: "kube-root-ca.crt", items: [{ key: "ca.crt", path: "ca.crt" }] } },
];

function readerContainer(image: string, env: k8s.types.input.core.v1.EnvVar[]): k8s.types.input.core.v1.Container {
  return {
    name: "node-identity",
    image,
    command: ["/bin/sh", "-c", readNodeLabelScript],
    env,
    volumeMounts: [
      { name: "node-identity", mountPath: nodeFileDirectory },
      { name: "shards", mountPath: shardFilesDirectory, readOnly: true },
      { name: "node-reader-access", mountPath: apiAccessDirectory, readOnly: true },
    ],
    resources: { requests: { cpu: "20m", memory: "32Mi" }, limits: { cpu: "20m", memory: "32Mi" } },
    ...lastWords,
    // The image names its user, and runAsNonRoot only accepts a number.
    securityContext: { ...restrictedContainer, runAsUser: readerUser, runAsGroup: readerUser },
  };
}

function createServiceAccount(
  parent: pulumi.Resource,
  name: string,
  args: NodeIdentityArgs,
  transforms: NodeIdentityTransforms | undefined,
): k8s.core.v1.ServiceAccount {
  return createChild(
    k8s.core.v1.ServiceAccount,
    `${name}-service-account`,
    {
      metadata: { name: dnsName(name), namespace: args.namespace, labels: describeLabels(name, "service-account") },
      automountServiceAccountToken: false,
    },
    { parent },
    transforms?.serviceAccount,
  );
}

function createNodeReader(
  parent: pulumi.Resource,
  name: string,
  args: NodeIdentityArgs,
  serviceAccountName: pulumi.Input<string>,
  transforms: NodeIdentityTransforms | undefined,
): pulumi.Resource {
  // Cluster-wide names carry the namespace, so that two meshes of one cluster do not share a role.
  const roleName = pulumi.interpolate`compute-mesh:${args.namespace}:${name}:node-reader`;
  const labels = describeLabels(name, "node-reader");
  const role = createChild(
    k8s.rbac.v1.ClusterRole,
    `${name}-node-reader`,
    { metadata: { name: roleName, labels }, rules: [{ apiGroups: [""], resources: ["nodes"], verbs: ["get"] }] },
    { parent },
    transforms?.nodeReaderRole,
  );
  return createChild(
    k8s.rbac.v1.ClusterRoleBinding,
    `${name}-node-reader-binding`,
    {
      metadata: { name: roleName, labels },
      roleRef: { apiGroup: "rbac.authorization.k8s.io", kind: "ClusterRole", name: role.metadata.name },
      subjects: [{ kind: "ServiceAccount", name: serviceAccountName, namespace: args.namespace }],
    },
    { parent },
    transforms?.nodeReaderBinding,
  );
}
