/** From the args of a LocalDbDaemonSet to plain values: everything that decides the shape of its objects. */
import { planEngine, type EnginePlan, type EngineRequest } from "../engines";
import { selectorLabels } from "../kubernetes/labels";
import { commonSelector, nodePlacement, type Toleration } from "../kubernetes/pods";
import { checkBoolean, checkComponentName, checkKnownKeys, checkList, checkObject, checkQuantity, checkUnique } from "../model/checks";
import { Problems } from "../model/errors";
import type { LocalDbFacts } from "../model/facts";
import { contentHash, dnsName } from "../model/names";
import { readableBytes } from "../model/quantity";
import { checkLocalDbRest, checkText } from "./local-db-checks";
import type { LocalDbDaemonSetArgs, LocalDbTlsArgs } from "./local-db-daemon-set";
import { type BackingStorePlan, checkTmpfs, planBacking, planStorage, type StoragePlan } from "./local-db-storage";

/** Part of the frozen selector; another word would replace every DaemonSet. */
export const databasePart = "database";

/** A ConfigMap holds 1 MiB in all. */
const mostSchemaBytes = 512 * 1024;

const argsKeys = [
  ...["namespace", "nodes", "engine", "cpu", "memory", "storage", "backingStore", "schema", "settings", "credentials", "tls", "update"],
  ...["priorityClassName", "minAvailable", "allowFrom", "dataProtection", "transforms"],
];

/** Plain values that decide every object of a LocalDbDaemonSet. */
export interface LocalDbPlan {
  name: string;
  facts: LocalDbFacts;
  engine: EnginePlan;
  username: string;
  /** Secret with the server's certificate. */
  tlsSecretName?: string;
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

/** The ports of the database, the one that clients use first. */
export function databasePorts({ engine, facts }: LocalDbPlan): { name: string; port: number }[] {
  const plain = engine.plainPort === undefined ? [] : [{ name: "plain", port: engine.plainPort }];
  return [{ name: facts.engine, port: engine.port }, ...plain];
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
  const tls = planTls(problems, args.tls);
  const username = args.credentials?.username ?? "mesh";
  const request = { ...engineRequest(problems, args, storage, backing, memoryBytes), username, ...(tls === undefined ? {} : { tls }) };
  const { engine, plan } = planEngine(problems, "engine", args.engine, request);
  checkMemory(problems, memory, memoryBytes, plan);
  checkTmpfs(problems, args.storage?.memory?.size, storage.tmpfsBytes, engine, plan);
  checkLocalDbRest(problems, args, plan.reservedUsernames ?? []);
  problems.throwIfAny();

  const durable = storage.hostPath !== undefined || backing !== undefined;
  return {
    name,
    facts: {
      ...{ name, engine, serviceName: name, port: plan.port, database: plan.database, secretName: dnsName(name, "credentials") },
      ...(tls === undefined ? {} : { tls: { caSecret: { name: tls.secretName, key: "ca.crt" } } }),
    },
    engine: plan,
    username,
    ...(tls === undefined ? {} : { tlsSecretName: tls.secretName }),
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

function planTls(problems: Problems, args: LocalDbTlsArgs | undefined): { secretName: string; required: boolean } | undefined {
  if (args === undefined || !checkObject(problems, "tls", args)) {
    return undefined;
  }
  checkKnownKeys(problems, "tls", args, ["secretName", "required"]);
  const { secretName, required = true } = args as unknown as LocalDbTlsArgs;
  checkText(problems, "tls.secretName", secretName, "the name of a Secret with tls.crt, tls.key and ca.crt is needed");
  checkBoolean(problems, "tls.required", required);
  return { secretName, required };
}

function engineRequest(
  problems: Problems,
  args: LocalDbDaemonSetArgs,
  storage: StoragePlan,
  backing: BackingStorePlan | undefined,
  memoryBytes: number | undefined,
): Omit<EngineRequest, "username"> {
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
