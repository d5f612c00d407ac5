/** The DaemonSet of a ShardedIngest. */
import type * as k8s from "@pulumi/kubernetes";
import type * as pulumi from "@pulumi/pulumi";
import { databaseEnv, databaseTlsParts } from "../ingest/database";
import { kafkaPodParts } from "../ingest/kafka";
import { settingsDirectory } from "../ingest/scripts";
import { ingestPort } from "../ingest/settings";
import { waitAnnotations } from "../kubernetes/children";
import { configHashAnnotation, describeLabels, selectorLabels } from "../kubernetes/labels";
import type { NodeIdentityParts } from "../kubernetes/node-identity";
import { lastWords, nodePlacement, restrictedContainer } from "../kubernetes/pods";
import { ingestCommand, ingestReadyCommand } from "./agent-image";
import type { ShardedIngestArgs } from "./sharded-ingest";
import type { MeshEnginePlan } from "./sharded-ingest-engine";
import type { ShardedIngestPlan } from "./sharded-ingest-plan";
import { stockPod } from "./sharded-ingest-stock";

/** Everything that the DaemonSet is made of. */
export interface IngestPodRequest {
  args: ShardedIngestArgs;
  plan: ShardedIngestPlan;
  identity: NodeIdentityParts;
  settingsName: pulumi.Input<string>;
  configHash: pulumi.Input<string>;
}

/** What differs by engine. */
export type IngestPod = Pick<k8s.types.input.core.v1.PodSpec, "initContainers" | "containers" | "volumes">;

/** One user for all containers, so that they can replace each other's files. No image knows it, and none needs to. */
const user = 10001;

/** The DaemonSet: one pod per mesh node. */
export function ingestDaemonSet(request: IngestPodRequest): k8s.apps.v1.DaemonSetArgs {
  const { args, plan, identity, configHash } = request;
  const selector = selectorLabels(plan.name, "ingest");
  const labels = { ...describeLabels(plan.name, "ingest"), ...selector };
  const { mesh, stock } = plan.engine;
  return {
    metadata: { name: plan.name, namespace: args.namespace, labels, ...waitAnnotations(plan.awaitReady) },
    spec: {
      selector: { matchLabels: selector },
      // A pod that restarts delays its own node only, so several may restart at once.
      updateStrategy: { type: "RollingUpdate", rollingUpdate: { maxUnavailable: "25%" } },
      template: {
        metadata: { labels, annotations: { [configHashAnnotation]: configHash } },
        spec: {
          ...nodePlacement(args.nodes),
          ...(identity.serviceAccountName === undefined ? {} : { serviceAccountName: identity.serviceAccountName }),
          automountServiceAccountToken: false,
          // Otherwise every Service of the namespace adds variables, and KAFKA_… could be one of them.
          enableServiceLinks: false,
          // Time to finish the transaction that is being written.
          terminationGracePeriodSeconds: 30,
          securityContext: { runAsNonRoot: true, runAsUser: user, runAsGroup: user, fsGroup: user },
          ...(mesh === undefined ? stockPod(request, stock) : meshPod(request, mesh)),
        },
      },
    },
  };
}

/** Our own image: one container that needs nothing beside it. */
function meshPod({ args, plan, identity, settingsName }: IngestPodRequest, engine: MeshEnginePlan): IngestPod {
  const kafka = kafkaPodParts(args.kafka);
  const tls = databaseTlsParts(args.database);
  const resources = { cpu: plan.cpu, memory: plan.memory };
  const container = {
    name: "ingest",
    image: engine.image,
    command: ingestCommand,
    ports: [{ name: "metrics", containerPort: ingestPort }],
    env: [
      ...identity.env,
      ...databaseEnv(args.database, "DATABASE_USER", "DATABASE_PASSWORD"),
      ...kafka.env,
      { name: "GOMEMLIMIT", value: String(engine.memoryLimitBytes) },
    ],
    resources: { requests: resources, limits: resources },
    // A command, because its words reach the Event of the pod.
    readinessProbe: { exec: { command: ingestReadyCommand }, periodSeconds: 5, timeoutSeconds: 5, failureThreshold: 3 },
    livenessProbe: {
      httpGet: { path: "/ping", port: "metrics" },
      initialDelaySeconds: 10,
      periodSeconds: 10,
      timeoutSeconds: 5,
      failureThreshold: 3,
    },
    ...lastWords,
    securityContext: restrictedContainer,
    volumeMounts: [
      { name: "settings", mountPath: settingsDirectory, readOnly: true },
      ...identity.volumeMounts,
      ...kafka.volumeMounts,
      ...tls.volumeMounts,
    ],
  };
  return {
    ...(identity.initContainers.length === 0 ? {} : { initContainers: identity.initContainers }),
    containers: [container],
    volumes: [{ name: "settings", configMap: { name: settingsName } }, ...identity.volumes, ...kafka.volumes, ...tls.volumes],
  };
}
