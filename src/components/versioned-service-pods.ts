/** The pods of a VersionedService: what runs in them, what they are told, and where they may run. */
import type * as k8s from "@pulumi/kubernetes";
import { databaseTlsParts, databaseVariables } from "../ingest/database";
import { configHashAnnotation } from "../kubernetes/labels";
import type { NodeIdentityParts } from "../kubernetes/node-identity";
import { lastWords, restrictedContainer } from "../kubernetes/pods";
import { agentUser, waitCommand } from "./agent-image";
import type { VersionedServiceArgs } from "./versioned-service";
import type { ServicePair, VersionedServicePlan } from "./versioned-service-plan";

type EnvVar = k8s.types.input.core.v1.EnvVar;

/** Time for load balancers to forget a pod that is about to stop. */
const preStopSeconds = 5;
/** Time for running requests after that. */
const drainSeconds = 25;

type Container = k8s.types.input.core.v1.Container;

/** What the containers share. */
interface PodParts {
  args: VersionedServiceArgs;
  plan: VersionedServicePlan;
  pair: ServicePair;
  identity: NodeIdentityParts | undefined;
  tls: Partial<ReturnType<typeof databaseTlsParts>>;
}

/** The pod template of one (version, snapshot). Nothing in it depends on another version, on weights or, but for the shard map, on the number of nodes. */
export function podTemplate(
  args: VersionedServiceArgs,
  plan: VersionedServicePlan,
  pair: ServicePair,
  identity: NodeIdentityParts | undefined,
): k8s.types.input.core.v1.PodTemplateSpec {
  const tls: PodParts["tls"] = args.database === undefined ? {} : databaseTlsParts(args.database);
  const parts = { args, plan, pair, identity, tls };
  const initContainers = [...(identity?.initContainers ?? []), ...(plan.waits ? [waitContainer(parts)] : [])];
  return {
    metadata: {
      labels: pair.labels,
      // The file of a node's shards follows no change by itself.
      ...(plan.identity === undefined ? {} : { annotations: { [configHashAnnotation]: plan.identity.hash } }),
    },
    spec: {
      nodeSelector: plan.nodeSelector,
      tolerations: plan.tolerations,
      ...(plan.statefulSet === undefined ? {} : spread(pair)),
      ...(identity?.serviceAccountName === undefined ? {} : { serviceAccountName: identity.serviceAccountName }),
      automountServiceAccountToken: false,
      // Otherwise every Service of the namespace adds variables, and MESH_… or DATABASE_… could be one of them.
      enableServiceLinks: false,
      terminationGracePeriodSeconds: preStopSeconds + drainSeconds,
      ...(plan.statefulSet?.storage === undefined ? {} : { securityContext: { fsGroup: 65532, fsGroupChangePolicy: "OnRootMismatch" } }),
      ...(initContainers.length === 0 ? {} : { initContainers }),
      containers: [serviceContainer(parts)],
      volumes: [{ name: "tmp", emptyDir: { sizeLimit: "256Mi" } }, ...(identity?.volumes ?? []), ...(tls.volumes ?? [])],
    },
  };
}

/** Ends once the database of the pod's own node shows every own shard of the snapshot; says in its log what it waits for. */
function waitContainer({ args, plan, pair, identity, tls }: PodParts): Container {
  // Enough to start Node.js in some seconds; a pod reserves the larger of this and what its service asks for.
  const resources = { cpu: "100m", memory: "192Mi" };
  return {
    name: "wait-for-snapshot",
    image: plan.agentImage,
    command: [...waitCommand, pair.snapshot],
    env: [...(identity?.env ?? []), ...shardCountVariable(args), ...(args.database === undefined ? [] : databaseVariables(args.database))],
    resources: { requests: resources, limits: resources },
    ...lastWords,
    securityContext: { ...restrictedContainer, runAsUser: agentUser, runAsGroup: agentUser },
    volumeMounts: [...(identity?.volumeMounts ?? []), ...(tls.volumeMounts ?? [])],
  };
}

function serviceContainer({ args, plan, pair, identity, tls }: PodParts): Container {
  const resources = { cpu: plan.cpu, memory: plan.memory };
  const alive = { tcpSocket: { port: "http" } };
  return {
    name: "service",
    image: pair.args.image,
    ...(pair.args.command === undefined ? {} : { command: pair.args.command }),
    ...(pair.args.args === undefined ? {} : { args: pair.args.args }),
    ports: [{ name: "http", containerPort: plan.port }],
    env: variables(args, plan, pair),
    // Requests and limits alike: the Guaranteed class is the last to be evicted.
    resources: { requests: resources, limits: resources },
    // Five minutes to open the port, and as long as it takes to be ready: a pod that waits for its snapshot is not restarted for that.
    startupProbe: { ...alive, periodSeconds: 5, failureThreshold: 60 },
    livenessProbe: { ...alive, periodSeconds: 10, failureThreshold: 6 },
    readinessProbe: { httpGet: { path: plan.readinessPath, port: "http" }, periodSeconds: 5, failureThreshold: 2 },
    lifecycle: { preStop: { sleep: { seconds: preStopSeconds } } },
    ...lastWords,
    securityContext: restrictedContainer,
    volumeMounts: [
      { name: "tmp", mountPath: "/tmp" },
      ...(plan.statefulSet?.storage === undefined ? [] : [{ name: "data", mountPath: "/data" }]),
      ...(identity?.volumeMounts ?? []),
      ...(tls.volumeMounts ?? []),
    ],
  };
}

/** The component's variables come first, because a value can only use variables before it. */
function variables(args: VersionedServiceArgs, plan: VersionedServicePlan, pair: ServicePair): EnvVar[] {
  return [
    { name: "MESH_SERVICE", value: plan.facts.name },
    { name: "MESH_VERSION", value: pair.version },
    { name: "MESH_SNAPSHOT", value: pair.snapshot },
    ...shardCountVariable(args),
    { name: "NODE_NAME", valueFrom: { fieldRef: { fieldPath: "spec.nodeName" } } },
    ...(args.database === undefined ? [] : databaseVariables(args.database)),
    ...Object.entries(pair.args.env ?? {}).map(([name, value]) => ({ name, value })),
  ];
}

function shardCountVariable({ shardMap }: VersionedServiceArgs): EnvVar[] {
  return shardMap === undefined ? [] : [{ name: "MESH_SHARD_COUNT", value: String(shardMap.shardCount) }];
}

/** At most one pod of a set on a node, or two would ask the same database; over the zones as far as nodes allow. */
function spread(pair: ServicePair): Pick<k8s.types.input.core.v1.PodSpec, "affinity" | "topologySpreadConstraints"> {
  const labelSelector = { matchLabels: pair.selector };
  return {
    affinity: {
      podAntiAffinity: { requiredDuringSchedulingIgnoredDuringExecution: [{ labelSelector, topologyKey: "kubernetes.io/hostname" }] },
    },
    topologySpreadConstraints: [
      { maxSkew: 1, topologyKey: "topology.kubernetes.io/zone", whenUnsatisfiable: "ScheduleAnyway", labelSelector },
    ],
  };
}
