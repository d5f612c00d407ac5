/** The pods of a VersionedService: what runs in them, what they are told, and where they may run. */
import type * as k8s from "@pulumi/kubernetes";
import { restrictedContainer } from "../kubernetes/pods";
import type { VersionedServiceArgs } from "./versioned-service";
import type { ServicePair, VersionedServicePlan } from "./versioned-service-plan";

type EnvVar = k8s.types.input.core.v1.EnvVar;

/** Time for load balancers to forget a pod that is about to stop. */
const preStopSeconds = 5;
/** Time for running requests after that. */
const drainSeconds = 25;

/** The pod template of one (version, snapshot). Nothing in it depends on another version, on weights or on the number of nodes. */
export function podTemplate(
  args: VersionedServiceArgs,
  plan: VersionedServicePlan,
  pair: ServicePair,
): k8s.types.input.core.v1.PodTemplateSpec {
  return {
    metadata: { labels: pair.labels },
    spec: {
      nodeSelector: plan.nodeSelector,
      tolerations: plan.tolerations,
      ...(plan.statefulSet === undefined ? {} : spread(pair)),
      automountServiceAccountToken: false,
      // Otherwise every Service of the namespace adds variables, and MESH_… or DATABASE_… could be one of them.
      enableServiceLinks: false,
      terminationGracePeriodSeconds: preStopSeconds + drainSeconds,
      ...(plan.statefulSet?.storage === undefined ? {} : { securityContext: { fsGroup: 65532, fsGroupChangePolicy: "OnRootMismatch" } }),
      containers: [container(args, plan, pair)],
      volumes: [{ name: "tmp", emptyDir: { sizeLimit: "256Mi" } }],
    },
  };
}

function container(args: VersionedServiceArgs, plan: VersionedServicePlan, pair: ServicePair): k8s.types.input.core.v1.Container {
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
    securityContext: restrictedContainer,
    volumeMounts: [
      { name: "tmp", mountPath: "/tmp" },
      ...(plan.statefulSet?.storage === undefined ? [] : [{ name: "data", mountPath: "/data" }]),
    ],
  };
}

/** The component's variables come first, because a value can only use variables before it. */
function variables(args: VersionedServiceArgs, plan: VersionedServicePlan, pair: ServicePair): EnvVar[] {
  return [
    { name: "MESH_SERVICE", value: plan.facts.name },
    { name: "MESH_VERSION", value: pair.version },
    { name: "MESH_SNAPSHOT", value: pair.snapshot },
    ...(args.shardMap === undefined ? [] : [{ name: "MESH_SHARD_COUNT", value: String(args.shardMap.shardCount) }]),
    { name: "NODE_NAME", valueFrom: { fieldRef: { fieldPath: "spec.nodeName" } } },
    ...databaseVariables(args),
    ...Object.entries(pair.args.env ?? {}).map(([name, value]) => ({ name, value })),
  ];
}

function databaseVariables({ database }: VersionedServiceArgs): EnvVar[] {
  if (database === undefined) {
    return [];
  }
  const secret = (key: string): EnvVar["valueFrom"] => ({ secretKeyRef: { name: database.secretName, key } });
  return [
    { name: "DATABASE_HOST", value: database.serviceName },
    { name: "DATABASE_PORT", value: String(database.port) },
    { name: "DATABASE_NAME", value: database.database },
    { name: "DATABASE_USER", valueFrom: secret("username") },
    { name: "DATABASE_PASSWORD", valueFrom: secret("password") },
  ];
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
