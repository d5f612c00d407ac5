/** From the args of a LocalDbDaemonSet to plain values: everything that decides the shape of its objects. */
import { planEngine, type BackingRequest, type EnginePlan, type EngineRequest } from "../engines";
import { selectorLabels } from "../kubernetes/labels";
import { commonSelector, nodePlacement, type Toleration } from "../kubernetes/pods";
import {
  checkComponentName,
  checkDnsLabel,
  checkInteger,
  checkKnownKeys,
  checkList,
  checkObject,
  checkQuantity,
  checkUnique,
  exactlyOne,
} from "../model/checks";
import { Problems } from "../model/errors";
import type { LocalDbFacts } from "../model/facts";
import { contentHash, dnsName } from "../model/names";
import { formatBytes, readableBytes } from "../model/quantity";
import { checkFolder, checkLocalDbRest, checkText } from "./local-db-checks";
import type { BackingStoreArgs, LocalDbDaemonSetArgs, LocalDbStorageArgs } from "./local-db-daemon-set";

/** Part of the frozen selector; another word would replace every DaemonSet. */
export const databasePart = "database";

/** PostgreSQL's first files and WAL take 70 MiB. */
const leastTmpfsBytes = 128 * 1024 ** 2;
/** A ConfigMap holds 1 MiB in all. */
const mostSchemaBytes = 512 * 1024;

const argsKeys = [
  ...["namespace", "nodes", "engine", "cpu", "memory", "storage", "backingStore", "schema", "settings", "credentials", "update"],
  ...["priorityClassName", "minAvailable", "allowFrom", "dataProtection", "transforms"],
];

/** Where the data is; exactly one member. */
export interface StoragePlan {
  tmpfsBytes?: number;
  hostPath?: string;
  claim?: { storageClass: string; size: string };
}

/** What is mounted as backing store; exactly one of the first three. */
export interface BackingStorePlan extends BackingRequest {
  hostPath?: string;
  nfs?: { server: string; path: string };
  claim?: string;
}

/** Plain values that decide every object of a LocalDbDaemonSet. */
export interface LocalDbPlan {
  name: string;
  facts: LocalDbFacts;
  engine: EnginePlan;
  username: string;
  configName: string;
  configHash: string;
  priorityClassName: string;
  selector: Record<string, string>;
  nodeSelector: Record<string, string>;
  tolerations: Toleration[];
  resources: { cpu: string; memory: string };
  storage: StoragePlan;
  backing?: BackingStorePlan;
  /** One node at a time, otherwise OnDelete. */
  rolling: boolean;
  minAvailable: number;
}

/**
 * Checks the args and fills in the defaults.
 *
 * @throws MeshInputError with every problem
 */
export function normalizeLocalDb(name: string, args: LocalDbDaemonSetArgs): LocalDbPlan {
  const problems = new Problems(`localDbDaemonSet "${name}"`);
  checkComponentName(problems, name);
  checkKnownKeys(problems, "", args, argsKeys);
  checkNodes(problems, args);
  const memory = args.memory ?? "2Gi";
  const memoryBytes = checkQuantity(problems, "memory", memory);
  checkQuantity(problems, "cpu", args.cpu ?? "1");
  const storage = planStorage(problems, args.storage, memoryBytes);
  const backing = planBacking(problems, args.backingStore);
  const { engine, plan } = planEngine(problems, "engine", args.engine, engineRequest(problems, args, storage, backing, memoryBytes));
  checkMemory(problems, memory, memoryBytes, plan);
  checkLocalDbRest(problems, args);
  problems.throwIfAny();

  const durable = storage.hostPath !== undefined || backing !== undefined;
  return {
    name,
    facts: { name, engine, serviceName: name, port: plan.port, database: plan.database, secretName: dnsName(name, "credentials") },
    engine: plan,
    username: args.credentials?.username ?? "mesh",
    configName: dnsName(name, "config"),
    // Init files count only where a restarted pod would run them; elsewhere a new schema would restart databases for nothing.
    configHash: contentHash(durable ? plan.configFiles : [plan.configFiles, plan.initFiles]),
    priorityClassName: args.priorityClassName ?? dnsName(name, "priority"),
    selector: selectorLabels(name, databasePart),
    ...nodePlacement(args.nodes),
    resources: { cpu: args.cpu ?? "1", memory },
    storage,
    ...(backing === undefined ? {} : { backing }),
    rolling: args.update?.strategy === undefined ? durable : args.update.strategy === "oneNodeAtATime",
    minAvailable: args.minAvailable ?? Math.max(1, args.nodes.length - 1),
  };
}

function checkNodes(problems: Problems, { nodes }: LocalDbDaemonSetArgs): void {
  if (!checkList(problems, "nodes", nodes)) {
    return;
  }
  if (nodes.length === 0) {
    problems.add("nodes", nodes, "at least one mesh node is needed");
    return;
  }
  checkUnique(
    problems,
    "nodes",
    nodes.map((node) => node.name),
    "name",
  );
  if (Object.keys(commonSelector(nodes)).length === 0) {
    problems.add(
      "nodes",
      nodes.map((node) => node.selector),
      "their selectors need at least one label in common: without one, the database would run on every node of the cluster",
    );
  }
}

function planStorage(problems: Problems, args: LocalDbStorageArgs | undefined, memoryBytes: number | undefined): StoragePlan {
  const kinds = ["memory", "nodeDisk", "localVolume"];
  const storage = args ?? { memory: {} };
  if (!checkObject(problems, "storage", storage)) {
    return {};
  }
  checkKnownKeys(problems, "storage", storage, kinds);
  const kind = exactlyOne(problems, "storage", storage, kinds);
  const path = `storage.${kind ?? ""}`;
  if (kind === undefined || !checkObject(problems, path, storage[kind])) {
    return {};
  }
  const { memory, nodeDisk, localVolume } = storage as LocalDbStorageArgs;
  if (nodeDisk !== undefined) {
    checkKnownKeys(problems, path, nodeDisk, ["hostPath"]);
    return checkFolder(problems, "storage.nodeDisk.hostPath", nodeDisk.hostPath) ? { hostPath: nodeDisk.hostPath } : {};
  }
  if (localVolume !== undefined) {
    checkKnownKeys(problems, path, localVolume, ["storageClass", "size"]);
    checkText(problems, "storage.localVolume.storageClass", localVolume.storageClass, "the name of a storage class is needed");
    checkQuantity(problems, "storage.localVolume.size", localVolume.size);
    return { claim: { storageClass: localVolume.storageClass, size: localVolume.size } };
  }
  checkKnownKeys(problems, path, memory ?? {}, ["size"]);
  return planTmpfs(problems, memory?.size, memoryBytes);
}

/** The tmpfs counts against the memory limit: the kernel kills the database, not the file that grew. */
function planTmpfs(problems: Problems, size: string | undefined, memoryBytes: number | undefined): StoragePlan {
  const tmpfsBytes = size === undefined ? Math.floor((memoryBytes ?? 2 ** 31) / 2) : checkQuantity(problems, "storage.memory.size", size);
  if (tmpfsBytes === undefined) {
    return { tmpfsBytes: leastTmpfsBytes };
  }
  const path = size === undefined ? "memory" : "storage.memory.size";
  const given = size ?? `half of the limit, ${formatBytes(tmpfsBytes)}`;
  if (tmpfsBytes < leastTmpfsBytes) {
    problems.add(path, given, `the tmpfs needs at least ${formatBytes(leastTmpfsBytes)} for an empty database`);
  }
  if (memoryBytes !== undefined && size !== undefined && tmpfsBytes >= memoryBytes) {
    problems.add(path, given, `the tmpfs counts against the memory limit of ${formatBytes(memoryBytes)} (memory) and must be smaller`);
  }
  return { tmpfsBytes };
}

function planBacking(problems: Problems, args: BackingStoreArgs | undefined): BackingStorePlan | undefined {
  if (args === undefined || !checkObject(problems, "backingStore", args)) {
    return undefined;
  }
  const kinds = ["hostPath", "nfs", "claim"];
  checkKnownKeys(problems, "backingStore", args, [...kinds, "baseIntervalHours", "archiveTimeoutSeconds"]);
  exactlyOne(problems, "backingStore", args, kinds);
  const { hostPath, nfs, claim, baseIntervalHours = 6, archiveTimeoutSeconds = 60 } = args as BackingStoreArgs;
  if (hostPath !== undefined) {
    checkFolder(problems, "backingStore.hostPath", hostPath);
  }
  if (nfs !== undefined && checkObject(problems, "backingStore.nfs", nfs)) {
    checkKnownKeys(problems, "backingStore.nfs", nfs, ["server", "path"]);
    checkText(problems, "backingStore.nfs.server", nfs.server, "the name or address of the NFS server is needed");
    checkFolder(problems, "backingStore.nfs.path", nfs.path);
  }
  if (claim !== undefined) {
    checkDnsLabel(problems, "backingStore.claim", claim);
  }
  checkInteger(problems, "backingStore.baseIntervalHours", baseIntervalHours, { min: 1, max: 168 });
  checkInteger(problems, "backingStore.archiveTimeoutSeconds", archiveTimeoutSeconds, { min: 10, max: 3600 });
  return {
    ...(hostPath === undefined ? {} : { hostPath }),
    ...(nfs === undefined ? {} : { nfs }),
    ...(claim === undefined ? {} : { claim }),
    baseIntervalHours,
    archiveTimeoutSeconds,
  };
}

function engineRequest(
  problems: Problems,
  args: LocalDbDaemonSetArgs,
  storage: StoragePlan,
  backing: BackingStorePlan | undefined,
  memoryBytes: number | undefined,
): EngineRequest {
  const settings = args.settings ?? {};
  const { schema } = args;
  if (schema !== undefined && (typeof schema !== "string" || Buffer.byteLength(schema) > mostSchemaBytes)) {
    const given = typeof schema === "string" ? `${Buffer.byteLength(schema)} bytes` : schema;
    problems.add("schema", given, `text of at most ${mostSchemaBytes} bytes is allowed; load more than that through ingest or a migration`);
  }
  return {
    memoryBytes: memoryBytes ?? 2 ** 31,
    ...(storage.tmpfsBytes === undefined ? {} : { tmpfsBytes: storage.tmpfsBytes }),
    settings: checkObject(problems, "settings", settings) ? settings : {},
    ...(schema === undefined ? {} : { schema }),
    ...(backing === undefined ? {} : { backing }),
  };
}

/** What the engine may use must fit into the limit, or the kernel kills it under load, when it is needed most. */
function checkMemory(problems: Problems, memory: string, memoryBytes: number | undefined, plan: EnginePlan): void {
  const needed = plan.memory.reduce((sum, item) => sum + item.bytes, 0);
  if (memoryBytes !== undefined && needed > memoryBytes) {
    const items = plan.memory.map((item) => `${item.what} ${readableBytes(item.bytes)}`).join(" + ");
    problems.add("memory", memory, `${items} = ${readableBytes(needed)} must fit into the limit`);
  }
}
