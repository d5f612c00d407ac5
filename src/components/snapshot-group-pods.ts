/** The DaemonSet of a SnapshotGroup. */
import type * as k8s from "@pulumi/kubernetes";
import type * as pulumi from "@pulumi/pulumi";
import { databaseEnv, databaseTlsParts } from "../ingest/database";
import { kafkaPodParts } from "../ingest/kafka";
import { configHashAnnotation, describeLabels, selectorLabels } from "../kubernetes/labels";
import type { NodeIdentityParts } from "../kubernetes/node-identity";
import { lastWords, nodePlacement, restrictedContainer } from "../kubernetes/pods";
import { agentPaths, agentPort, agentReadyCommand, agentUser } from "./agent-image";
import type { SnapshotGroupArgs } from "./snapshot-group";
import type { SnapshotGroupPlan } from "./snapshot-group-plan";

type EnvVar = k8s.types.input.core.v1.EnvVar;
type Volume = k8s.types.input.core.v1.Volume;
type VolumeMount = k8s.types.input.core.v1.VolumeMount;

/** Everything that the DaemonSet is made of. */
export interface SnapshotPodRequest {
  args: SnapshotGroupArgs;
  plan: SnapshotGroupPlan;
  identity: NodeIdentityParts;
  settingsName: pulumi.Input<string>;
  configHash: pulumi.Input<string>;
}

/** What a store or a key adds to the pod. */
interface PodParts {
  env: EnvVar[];
  volumes: Volume[];
  volumeMounts: VolumeMount[];
}

/** The DaemonSet: one agent per mesh node. */
export function snapshotDaemonSet(request: SnapshotPodRequest): k8s.apps.v1.DaemonSetArgs {
  const { args, plan, identity, configHash } = request;
  const selector = selectorLabels(plan.name, "snapshot");
  const labels = { ...describeLabels(plan.name, "snapshot"), ...selector };
  const extra = joinParts([kafkaPodParts(args.kafka), { env: [], ...databaseTlsParts(args.database) }, storeParts(args), keyParts(args)]);
  return {
    metadata: { name: plan.name, namespace: args.namespace, labels },
    spec: {
      selector: { matchLabels: selector },
      updateStrategy: { type: "RollingUpdate", rollingUpdate: { maxUnavailable: 1 } },
      template: {
        metadata: { labels: { ...labels, ...identityLabels(plan) }, annotations: { [configHashAnnotation]: configHash } },
        spec: {
          ...nodePlacement(args.nodes),
          ...(identity.serviceAccountName === undefined ? {} : { serviceAccountName: identity.serviceAccountName }),
          automountServiceAccountToken: false,
          enableServiceLinks: false,
          // Time to finish the object that is being written.
          terminationGracePeriodSeconds: 60,
          securityContext: userOf(plan),
          ...(identity.initContainers.length === 0 ? {} : { initContainers: identity.initContainers }),
          containers: [agentContainer(request, extra)],
          volumes: [
            { name: "settings", configMap: { name: request.settingsName } },
            { name: "scratch", emptyDir: { sizeLimit: "1Gi" } },
            ...identity.volumes,
            ...extra.volumes,
          ],
        },
      },
    },
  };
}

function agentContainer({ args, plan, identity }: SnapshotPodRequest, extra: PodParts): k8s.types.input.core.v1.Container {
  const resources = { cpu: plan.cpu, memory: plan.memory };
  return {
    name: "snapshot",
    image: plan.agent.image,
    command: plan.agent.command,
    ports: [{ name: "metrics", containerPort: agentPort }],
    env: [...identity.env, ...databaseEnv(args.database, "DATABASE_USER", "DATABASE_PASSWORD"), ...extra.env],
    resources: { requests: resources, limits: resources },
    livenessProbe: { httpGet: { path: "/healthz", port: "metrics" }, periodSeconds: 10, failureThreshold: 6 },
    // A command, because its words reach the Event of the pod.
    readinessProbe: { exec: { command: agentReadyCommand }, periodSeconds: 5, timeoutSeconds: 5, failureThreshold: 3 },
    ...lastWords,
    securityContext: { ...restrictedContainer, runAsNonRoot: plan.storeKind !== "nodeDirectory" },
    volumeMounts: [
      { name: "settings", mountPath: agentPaths.settings, readOnly: true },
      { name: "scratch", mountPath: agentPaths.scratch },
      ...identity.volumeMounts,
      ...extra.volumeMounts,
    ],
  };
}

/** The kubelet makes a missing host folder for root and gives it to no group, so there the agent is root, without any capability. */
function userOf(plan: SnapshotGroupPlan): k8s.types.input.core.v1.PodSecurityContext {
  const user = plan.storeKind === "nodeDirectory" ? 0 : agentUser;
  return { runAsUser: user, runAsGroup: user, fsGroup: agentUser };
}

/** Azure's webhook gives an identity only to pods with this label (https://azure.github.io/azure-workload-identity/docs/topics/service-account-labels-and-annotations.html). */
function identityLabels(plan: SnapshotGroupPlan): Record<string, string> {
  return plan.storeKind === "azureBlob" ? { "azure.workload.identity/use": "true" } : {};
}

function storeParts(args: SnapshotGroupArgs): PodParts {
  const { s3, nfs, nodeDirectory } = args.store;
  const mounted = (volume: Volume): PodParts => ({
    env: [],
    volumes: [volume],
    volumeMounts: [{ name: "store", mountPath: agentPaths.store }],
  });
  if (nfs !== undefined) {
    return mounted({ name: "store", nfs: { server: nfs.server, path: nfs.path } });
  }
  if (nodeDirectory !== undefined) {
    return mounted({ name: "store", hostPath: { path: nodeDirectory.hostPath, type: "DirectoryOrCreate" } });
  }
  const secret = s3?.credentialsSecret;
  const fromSecret = (name: string, key: string): EnvVar => ({ name, valueFrom: { secretKeyRef: { name: secret?.name ?? "", key } } });
  const keys =
    secret === undefined
      ? []
      : [
          fromSecret("AWS_ACCESS_KEY_ID", secret.accessKeyIdKey ?? "accessKeyId"),
          fromSecret("AWS_SECRET_ACCESS_KEY", secret.secretAccessKeyKey ?? "secretAccessKey"),
        ];
  return { env: keys, volumes: [], volumeMounts: [] };
}

/** The key as a file, never in the environment, which child processes and crash dumps copy. */
function keyParts(args: SnapshotGroupArgs): PodParts {
  const secret = args.encryption?.keySecret;
  if (secret === undefined) {
    return { env: [], volumes: [], volumeMounts: [] };
  }
  return {
    env: [],
    volumes: [
      { name: "encryption-key", secret: { secretName: secret.name, items: [{ key: secret.key, path: "key" }], defaultMode: 0o440 } },
    ],
    volumeMounts: [{ name: "encryption-key", mountPath: agentPaths.encryptionKey, readOnly: true }],
  };
}

function joinParts(parts: readonly PodParts[]): PodParts {
  return {
    env: parts.flatMap((part) => part.env),
    volumes: parts.flatMap((part) => part.volumes),
    volumeMounts: parts.flatMap((part) => part.volumeMounts),
  };
}
