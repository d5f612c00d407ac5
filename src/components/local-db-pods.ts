/** The pod of a local database: containers, volumes, probes and security, whatever the engine. */
import type * as k8s from "@pulumi/kubernetes";
import { tlsPath } from "../engines";
import { configHashAnnotation, describeLabels } from "../kubernetes/labels";
import { lastWords, restrictedContainer } from "../kubernetes/pods";
import { formatBytes } from "../model/quantity";
import { databasePart, databasePorts, type LocalDbPlan } from "./local-db-plan";

type Container = k8s.types.input.core.v1.Container;
type EnvVar = k8s.types.input.core.v1.EnvVar;
type Volume = k8s.types.input.core.v1.Volume;
type VolumeMount = k8s.types.input.core.v1.VolumeMount;

const storePath = "/backing-store";

/** For steps that move no data. */
const smallResources = { cpu: "100m", memory: "64Mi" };
const copyResources = { cpu: "100m", memory: "128Mi" };

/** The pod template. Nothing in it depends on the number of nodes, so that scaling rolls no pods. */
export function podTemplate(plan: LocalDbPlan): k8s.types.input.core.v1.PodTemplateSpec {
  const { uid, gid = uid } = plan.engine;
  return {
    metadata: {
      labels: { ...describeLabels(plan.name, databasePart), ...plan.selector },
      annotations: { [configHashAnnotation]: plan.configHash },
    },
    spec: {
      nodeSelector: plan.nodeSelector,
      ...(plan.tolerations.length === 0 ? {} : { tolerations: plan.tolerations }),
      priorityClassName: plan.priorityClassName,
      automountServiceAccountToken: false,
      // Otherwise a Service called "postgres" would set POSTGRES_… variables, which the image reads.
      enableServiceLinks: false,
      terminationGracePeriodSeconds: 120,
      securityContext: {
        runAsNonRoot: true,
        runAsUser: uid,
        runAsGroup: gid,
        fsGroup: gid,
        // Always would widen the mode of the data directory on every mount, and PostgreSQL refuses to start in such a one.
        fsGroupChangePolicy: "OnRootMismatch",
        seccompProfile: { type: "RuntimeDefault" },
      },
      ...(initContainers(plan).length === 0 ? {} : { initContainers: initContainers(plan) }),
      containers: [databaseContainer(plan), ...copyContainer(plan)],
      volumes: volumes(plan),
    },
  };
}

function databaseContainer(plan: LocalDbPlan): Container {
  const { engine } = plan;
  const exec = { command: engine.readyCommand };
  return {
    name: databasePart,
    image: engine.image,
    args: engine.args,
    ports: databasePorts(plan).map(({ name, port }) => ({ name, containerPort: port })),
    env: [...engineEnv(plan), ...secretEnv(plan), ...credentialEnv(plan, engine.credentials), ...storeEnv(plan)],
    resources: guaranteed(plan.resources),
    // Half an hour: the init files, or the replay of all WAL since the last base copy.
    startupProbe: { exec, periodSeconds: 5, timeoutSeconds: 5, failureThreshold: 360 },
    readinessProbe: { exec, periodSeconds: 5, timeoutSeconds: 5, failureThreshold: 3 },
    // Patient, because a restart under load makes everything worse.
    livenessProbe: { exec, periodSeconds: 10, timeoutSeconds: 10, failureThreshold: 6 },
    ...(engine.stopCommand === undefined ? {} : { lifecycle: { preStop: { exec: { command: engine.stopCommand } } } }),
    ...lastWords,
    securityContext: engine.writableRoot === true ? { ...restrictedContainer, readOnlyRootFilesystem: false } : restrictedContainer,
    volumeMounts: [
      { name: "data", mountPath: engine.dataPath },
      { name: "config", mountPath: engine.configPath, readOnly: true },
      { name: "init", mountPath: engine.initPath, readOnly: true },
      ...Object.entries(engine.scratchPaths).map(([name, mountPath]) => ({ name, mountPath })),
      ...(plan.tlsSecretName === undefined ? [] : [{ name: "tls", mountPath: tlsPath, readOnly: true }]),
      ...storeMount(plan),
    ],
  };
}

/** Folders of the node belong to root until they are given away; then the data comes back, before the engine starts. */
function initContainers(plan: LocalDbPlan): Container[] {
  const { engine } = plan;
  const folders: VolumeMount[] = [
    ...(plan.storage.hostPath === undefined ? [] : [{ name: "data", mountPath: engine.dataPath }]),
    ...(plan.backing?.hostPath === undefined ? [] : storeMount(plan)),
  ];
  const own: Container = {
    name: "own-folders",
    image: engine.image,
    command: ["chown", `${engine.uid}:${engine.gid ?? engine.uid}`, ...folders.map((folder) => folder.mountPath as string)],
    resources: guaranteed(smallResources),
    ...lastWords,
    // Root with the one capability that giving a folder away needs.
    securityContext: { ...restrictedContainer, runAsNonRoot: false, runAsUser: 0, capabilities: { drop: ["ALL"], add: ["CHOWN"] } },
    volumeMounts: folders,
  };
  const restore: Container[] =
    engine.backing === undefined
      ? []
      : [
          {
            name: "restore",
            image: engine.image,
            command: engine.backing.restoreCommand,
            env: [...engineEnv(plan), ...storeEnv(plan)],
            // As much as the database has: what it writes to a tmpfs counts as its own memory.
            resources: guaranteed(plan.resources),
            ...lastWords,
            securityContext: restrictedContainer,
            volumeMounts: [
              { name: "data", mountPath: engine.dataPath },
              { name: "config", mountPath: engine.configPath, readOnly: true },
              ...storeMount(plan),
            ],
          },
        ];
  return [...(folders.length === 0 ? [] : [own]), ...restore];
}

function copyContainer(plan: LocalDbPlan): Container[] {
  const { engine } = plan;
  if (engine.backing === undefined || engine.credentials.client === undefined) {
    return [];
  }
  return [
    {
      name: "base-copies",
      image: engine.image,
      command: engine.backing.copyCommand,
      env: [...credentialEnv(plan, engine.credentials.client), ...storeEnv(plan)],
      resources: guaranteed(copyResources),
      ...lastWords,
      securityContext: restrictedContainer,
      volumeMounts: [{ name: "config", mountPath: engine.configPath, readOnly: true }, ...storeMount(plan)],
    },
  ];
}

function volumes(plan: LocalDbPlan): Volume[] {
  const { engine } = plan;
  const files = (names: Record<string, string>): k8s.types.input.core.v1.ConfigMapVolumeSource => ({
    name: plan.configName,
    items: Object.keys(names)
      .sort()
      .map((key) => ({ key, path: key })),
  });
  return [
    { name: "data", ...dataVolume(plan) },
    { name: "config", configMap: files(engine.configFiles) },
    { name: "init", configMap: files(engine.initFiles) },
    ...Object.keys(engine.scratchPaths).map((name) => ({ name, emptyDir: { sizeLimit: engine.scratchSize ?? "64Mi" } })),
    // Readable for the database's group alone, which PostgreSQL asks of a key that belongs to root.
    ...(plan.tlsSecretName === undefined ? [] : [{ name: "tls", secret: { secretName: plan.tlsSecretName, defaultMode: 0o440 } }]),
    ...(plan.backing === undefined ? [] : [{ name: "backing-store", ...storeVolume(plan.backing) }]),
  ];
}

function dataVolume({ storage }: LocalDbPlan): Omit<Volume, "name"> {
  if (storage.hostPath !== undefined) {
    return { hostPath: { path: storage.hostPath, type: "DirectoryOrCreate" } };
  }
  if (storage.claim !== undefined) {
    const { storageClass, size } = storage.claim;
    const spec = { accessModes: ["ReadWriteOnce"], storageClassName: storageClass, resources: { requests: { storage: size } } };
    return { ephemeral: { volumeClaimTemplate: { spec } } };
  }
  return { emptyDir: { medium: "Memory", sizeLimit: formatBytes(storage.tmpfsBytes ?? 0) } };
}

function storeVolume({ hostPath, nfs, claim }: NonNullable<LocalDbPlan["backing"]>): Omit<Volume, "name"> {
  if (hostPath !== undefined) {
    return { hostPath: { path: hostPath, type: "DirectoryOrCreate" } };
  }
  return nfs === undefined ? { persistentVolumeClaim: { claimName: claim ?? "" } } : { nfs };
}

function storeMount(plan: LocalDbPlan): VolumeMount[] {
  return plan.backing === undefined ? [] : [{ name: "backing-store", mountPath: storePath }];
}

/** The node's own folder in the store; a variable can only use variables before it. */
function storeEnv(plan: LocalDbPlan): EnvVar[] {
  if (plan.backing === undefined) {
    return [];
  }
  return [
    { name: "NODE_NAME", valueFrom: { fieldRef: { fieldPath: "spec.nodeName" } } },
    { name: "POD_NAMESPACE", valueFrom: { fieldRef: { fieldPath: "metadata.namespace" } } },
    { name: "STORE_DIRECTORY", value: `${storePath}/$(POD_NAMESPACE)/${plan.name}/$(NODE_NAME)` },
  ];
}

function engineEnv(plan: LocalDbPlan): EnvVar[] {
  return Object.entries(plan.engine.env).map(([name, value]) => ({ name, value }));
}

function secretEnv(plan: LocalDbPlan): EnvVar[] {
  return Object.entries(plan.engine.secretEnv ?? {}).map(([name, { secretName, key }]) => ({
    name,
    valueFrom: { secretKeyRef: { name: secretName, key } },
  }));
}

function credentialEnv(plan: LocalDbPlan, names: { username: string; password: string; morePasswords?: string[] }): EnvVar[] {
  const secret = (key: string): EnvVar["valueFrom"] => ({ secretKeyRef: { name: plan.facts.secretName, key } });
  return [
    { name: names.username, valueFrom: secret("username") },
    ...[names.password, ...(names.morePasswords ?? [])].map((name) => ({ name, valueFrom: secret("password") })),
  ];
}

/** Requests and limits alike, on every container: only then the pod is of the Guaranteed class, the last to be evicted. */
function guaranteed(resources: { cpu: string; memory: string }): k8s.types.input.core.v1.ResourceRequirements {
  return { requests: resources, limits: resources };
}
