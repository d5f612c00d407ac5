/** The pods of a ShardedIngest with an unmodified image: a client of the database prepares what the engine starts from, and watches it. */
import type * as k8s from "@pulumi/kubernetes";
import { databaseEnv } from "../ingest/database";
import { kafkaPodParts } from "../ingest/kafka";
import { livenessScript, runDirectory, settingsDirectory } from "../ingest/scripts";
import { ingestPort } from "../ingest/settings";
import { lastWords, restrictedContainer } from "../kubernetes/pods";
import type { StockEnginePlan } from "./sharded-ingest-engine";
import type { IngestPod, IngestPodRequest } from "./sharded-ingest-pods";

type Container = k8s.types.input.core.v1.Container;

const settingsMount = { name: "settings", mountPath: settingsDirectory, readOnly: true };
const runMount = { name: "run", mountPath: runDirectory };

/** The steps prepare → engine, watch. */
export function stockPod(request: IngestPodRequest, engine: StockEnginePlan): IngestPod {
  const { args, identity, settingsName } = request;
  const kafka = kafkaPodParts(args.kafka);
  return {
    initContainers: [...identity.initContainers, offsetsContainer("prepare", request, engine)],
    containers: [engineContainer(request, engine, kafka), offsetsContainer("watch", request, engine)],
    volumes: [
      { name: "settings", configMap: { name: settingsName } },
      { name: "run", emptyDir: { sizeLimit: "16Mi" } },
      ...identity.volumes,
      ...kafka.volumes,
    ],
  };
}

function engineContainer({ args, plan }: IngestPodRequest, engine: StockEnginePlan, kafka: ReturnType<typeof kafkaPodParts>): Container {
  const resources = { cpu: plan.cpu, memory: plan.memory };
  return {
    name: "engine",
    image: engine.image,
    command: ["/bin/sh", `${settingsDirectory}/engine.sh`],
    ports: [{ name: "metrics", containerPort: ingestPort }],
    env: [...databaseEnv(args.database, "PGUSER", "PGPASSWORD"), ...kafka.env],
    resources: { requests: resources, limits: resources },
    readinessProbe: { httpGet: { path: "/ready", port: "metrics" }, periodSeconds: 5, failureThreshold: 3 },
    // The engine's /ping, and that nobody asked for a new start.
    livenessProbe: {
      exec: { command: ["/bin/sh", "-c", livenessScript(ingestPort)] },
      initialDelaySeconds: 10,
      periodSeconds: 10,
      timeoutSeconds: 6,
      failureThreshold: 3,
    },
    ...lastWords,
    securityContext: restrictedContainer,
    volumeMounts: [settingsMount, runMount, ...kafka.volumeMounts],
  };
}

/** `prepare` before the engine starts, `watch` beside it: the same script. */
function offsetsContainer(mode: "prepare" | "watch", { args, identity }: IngestPodRequest, engine: StockEnginePlan): Container {
  const { database } = args;
  const resources = { cpu: "20m", memory: "64Mi" };
  return {
    name: mode,
    image: engine.databaseClientImage,
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
    ...lastWords,
    securityContext: restrictedContainer,
    volumeMounts: [settingsMount, runMount, ...identity.volumeMounts],
  };
}
