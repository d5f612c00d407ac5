/** The DaemonSet of a ShardedIngest. */
import type * as k8s from "@pulumi/kubernetes";
import type * as pulumi from "@pulumi/pulumi";
import { kafkaPodParts } from "../ingest/kafka";
import { livenessScript, runDirectory, settingsDirectory } from "../ingest/scripts";
import { configHashAnnotation, describeLabels, selectorLabels } from "../kubernetes/labels";
import type { NodeIdentityParts } from "../kubernetes/node-identity";
import { nodePlacement, restrictedContainer } from "../kubernetes/pods";
import { databaseEnv } from "../ingest/database";
import type { ShardedIngestArgs } from "./sharded-ingest";
import type { ShardedIngestPlan } from "./sharded-ingest-plan";

type Container = k8s.types.input.core.v1.Container;

/** Everything that the DaemonSet is made of. */
export interface IngestPodRequest {
  args: ShardedIngestArgs;
  plan: ShardedIngestPlan;
  identity: NodeIdentityParts;
  settingsName: pulumi.Input<string>;
  configHash: pulumi.Input<string>;
}

/** One user for all containers, so that they can replace each other's files. No image knows it, and none needs to. */
const user = 10001;
const settingsMount = { name: "settings", mountPath: settingsDirectory, readOnly: true };
const runMount = { name: "run", mountPath: runDirectory };

/** The DaemonSet: one pod per mesh node with the steps prepare → engine, watch. */
export function ingestDaemonSet(request: IngestPodRequest): k8s.apps.v1.DaemonSetArgs {
  const { args, plan, identity, configHash } = request;
  const selector = selectorLabels(plan.name, "ingest");
  const kafka = kafkaPodParts(args.kafka);
  return {
    metadata: { name: plan.name, namespace: args.namespace, labels: { ...describeLabels(plan.name, "ingest"), ...selector } },
    spec: {
      selector: { matchLabels: selector },
      // A pod that restarts delays its own node only, so several may restart at once.
      updateStrategy: { type: "RollingUpdate", rollingUpdate: { maxUnavailable: "25%" } },
      template: {
        metadata: { labels: { ...describeLabels(plan.name, "ingest"), ...selector }, annotations: { [configHashAnnotation]: configHash } },
        spec: {
          ...nodePlacement(args.nodes),
          ...(identity.serviceAccountName === undefined ? {} : { serviceAccountName: identity.serviceAccountName }),
          automountServiceAccountToken: false,
          // Otherwise every Service of the namespace adds variables, and KAFKA_… could be one of them.
          enableServiceLinks: false,
          terminationGracePeriodSeconds: 30,
          securityContext: { runAsNonRoot: true, runAsUser: user, runAsGroup: user, fsGroup: user },
          initContainers: [...identity.initContainers, offsetsContainer("prepare", request)],
          containers: [engineContainer(request, kafka), offsetsContainer("watch", request)],
          volumes: [
            { name: "settings", configMap: { name: request.settingsName } },
            { name: "run", emptyDir: { sizeLimit: "16Mi" } },
            ...identity.volumes,
            ...kafka.volumes,
          ],
        },
      },
    },
  };
}

function engineContainer({ args, plan }: IngestPodRequest, kafka: ReturnType<typeof kafkaPodParts>): Container {
  const resources = { cpu: plan.cpu, memory: plan.memory };
  return {
    name: "engine",
    image: plan.engine.image,
    command: ["/bin/sh", `${settingsDirectory}/engine.sh`],
    ports: [{ name: "metrics", containerPort: plan.port }],
    env: [...databaseEnv(args.database, "PGUSER", "PGPASSWORD"), ...kafka.env],
    resources: { requests: resources, limits: resources },
    readinessProbe: { httpGet: { path: "/ready", port: "metrics" }, periodSeconds: 5, failureThreshold: 3 },
    // The engine's /ping, and that nobody asked for a new start.
    livenessProbe: {
      exec: { command: ["/bin/sh", "-c", livenessScript(plan.port)] },
      initialDelaySeconds: 10,
      periodSeconds: 10,
      timeoutSeconds: 6,
      failureThreshold: 3,
    },
    securityContext: restrictedContainer,
    volumeMounts: [settingsMount, runMount, ...kafka.volumeMounts],
  };
}

/** `prepare` before the engine starts, `watch` beside it: the same script. */
function offsetsContainer(mode: "prepare" | "watch", { args, plan, identity }: IngestPodRequest): Container {
  const { database } = args;
  const resources = { cpu: "20m", memory: "64Mi" };
  return {
    name: mode,
    image: plan.databaseClientImage,
    command: ["/bin/sh", `${settingsDirectory}/offsets.sh`, mode],
    env: [
      ...identity.env,
      { name: "PGHOST", value: database.serviceName },
      { name: "PGPORT", value: String(database.port) },
      { name: "PGDATABASE", value: database.database },
      ...databaseEnv(database, "PGUSER", "PGPASSWORD"),
      { name: "PGCONNECT_TIMEOUT", value: "5" },
      // Without it every start reports the tables that exist already.
      { name: "PGOPTIONS", value: "-c client_min_messages=warning" },
    ],
    resources: { requests: resources, limits: resources },
    securityContext: restrictedContainer,
    volumeMounts: [settingsMount, runMount, ...identity.volumeMounts],
  };
}
