/** What a SnapshotGroup will be, all of it known before deployment. */
import { checkKafka, checkSecretKey, checkText, type KafkaSecurity, kafkaSecurity } from "../ingest/kafka";
import { type NodeIdentityPlan, planNodeIdentity } from "../kubernetes/node-identity-plan";
import {
  checkBoolean,
  checkComponentName,
  checkInteger,
  checkKnownKeys,
  checkList,
  checkObject,
  checkQuantity,
  checkUnique,
  isObject,
} from "../model/checks";
import { joinPath, Problems } from "../model/errors";
import type { SnapshotGroupFacts } from "../model/facts";
import { dnsName } from "../model/names";
import { checkSchedule, parseSchedule } from "../model/schedule";
import type { ShardPlan } from "../model/shards";
import { isSnapshotId, parseSnapshotId, snapshotIdRule } from "../model/snapshot-id";
import { checkSnapshotStore, type StoreKind, survivesNodeLoss } from "../model/snapshot-store";
import type { TableFacts } from "../model/tables";
import { defaultAgentImage, snapshotCommand } from "./agent-image";
import { checkDatabase, checkDeadLetterTopic, checkImage, planTopics } from "./sharded-ingest-checks";
import type { SnapshotGroupArgs, SnapshotRetentionArgs } from "./snapshot-group";

/** The normalised args. */
export interface SnapshotGroupPlan {
  name: string;
  facts: SnapshotGroupFacts;
  storeKind: StoreKind;
  identity: NodeIdentityPlan;
  security: KafkaSecurity;
  shards: ShardPlan;
  /** Topic → table. */
  tables: Record<string, TableFacts>;
  keep: SnapshotRetentionArgs;
  allowedLatenessSeconds: number;
  timeoutSeconds: number;
  tends: boolean;
  unpinnedGraceSeconds: number;
  agent: { image: string; command: string[] };
  cpu: string;
  memory: string;
  /** What is allowed but should be known, for the log. */
  warnings: string[];
}

const argsKeys = [
  ...["namespace", "nodes", "shardMap", "topics", "kafka", "database", "schedule", "keep", "store", "encryption", "snapshots"],
  "deadLetterTopic",
  ...[
    "tendsShards",
    "unpinnedGraceSeconds",
    "allowedLatenessSeconds",
    "timeoutSeconds",
    "agent",
    "nodeReaderImage",
    "serviceAccountAnnotations",
    "cpu",
    "memory",
  ],
  ...["dataProtection", "transforms"],
];
const keepKeys = ["last", "hourly", "daily", "weekly"] as const;
const transformKeys = ["shards", "nodeReaderRole", "nodeReaderBinding", "settings", "serviceAccount", "networkPolicy", "daemonSet"];

/**
 * Checks the args and fills in the defaults.
 *
 * @throws MeshInputError with every problem of the args
 */
export function normalizeSnapshotGroup(name: string, args: SnapshotGroupArgs): SnapshotGroupPlan {
  const problems = new Problems(`snapshotGroup "${name}"`);
  checkComponentName(problems, name);
  checkKnownKeys(problems, "", args, argsKeys);
  const identity = planNodeIdentity(problems, name, args.nodes, args.shardMap);
  const { shards, tables } = planTopics(problems, args.topics, args.shardMap.shardCount, args.database);
  checkKafka(problems, "kafka", args.kafka);
  if (args.deadLetterTopic !== undefined) {
    checkDeadLetterTopic(problems, args.deadLetterTopic, shards);
  }
  checkDatabase(problems, args.database);
  checkSchedule(problems, "schedule", args.schedule);
  checkKeep(problems, args.keep);
  const storeKind = checkStore(problems, args.store);
  checkEncryption(problems, args.encryption);
  const snapshots = args.snapshots ?? [];
  checkSnapshots(problems, snapshots);
  const agent = normalizeAgent(problems, args.agent ?? {});
  const { allowedLatenessSeconds = 60, timeoutSeconds = 3600, cpu = "500m", memory = "512Mi" } = args;
  checkInteger(problems, "allowedLatenessSeconds", allowedLatenessSeconds, { min: 0, max: 86_400 });
  checkInteger(problems, "timeoutSeconds", timeoutSeconds, { min: 1 });
  const { tendsShards: tends = false, unpinnedGraceSeconds = 600 } = args;
  checkBoolean(problems, "tendsShards", tends);
  checkInteger(problems, "unpinnedGraceSeconds", unpinnedGraceSeconds, { min: 0, max: 604_800 });
  checkQuantity(problems, "cpu", cpu);
  checkQuantity(problems, "memory", memory);
  if (args.nodeReaderImage !== undefined) {
    checkImage(problems, "nodeReaderImage", args.nodeReaderImage);
  }
  checkOptional(problems, "dataProtection", args.dataProtection, ["protect", "retainOnDelete"]);
  checkOptional(problems, "transforms", args.transforms, transformKeys);
  problems.throwIfAny();
  const kind = storeKind as StoreKind;
  const settingsName = dnsName(name, "settings");
  return {
    name,
    facts: { name, schedule: args.schedule, storeKind: kind, settingsName, snapshots: [...snapshots], tends },
    storeKind: kind,
    identity,
    security: kafkaSecurity(args.kafka),
    shards,
    tables,
    keep: { ...args.keep },
    allowedLatenessSeconds,
    timeoutSeconds,
    tends,
    unpinnedGraceSeconds,
    agent,
    cpu,
    memory,
    warnings: [...storeWarnings(kind, args), ...scheduleWarnings(args.schedule, snapshots)],
  };
}

function checkKeep(problems: Problems, keep: unknown): void {
  if (!checkObject(problems, "keep", keep)) {
    return;
  }
  checkKnownKeys(problems, "keep", keep, keepKeys);
  const { last } = keep;
  if (typeof last === "number" && last < 1) {
    problems.add("keep.last", last, "at least 1 snapshot must stay");
  } else {
    checkInteger(problems, "keep.last", last, { min: 1 });
  }
  for (const key of keepKeys.filter((key) => key !== "last" && keep[key] !== undefined)) {
    checkInteger(problems, joinPath("keep", key), keep[key], { min: 0 });
  }
}

function checkStore(problems: Problems, store: unknown): StoreKind | undefined {
  const kind = checkSnapshotStore(problems, "store", store, { s3: ["credentialsSecret"] });
  const s3 = isObject(store) && isObject(store["s3"]) ? store["s3"] : undefined;
  const secret = s3?.["credentialsSecret"];
  const path = "store.s3.credentialsSecret";
  if (secret !== undefined && checkObject(problems, path, secret)) {
    checkKnownKeys(problems, path, secret, ["name", "accessKeyIdKey", "secretAccessKeyKey"]);
    checkText(problems, joinPath(path, "name"), secret["name"], "the name of a Secret is needed");
  }
  return kind;
}

function checkEncryption(problems: Problems, encryption: SnapshotGroupArgs["encryption"]): void {
  if (encryption !== undefined && checkObject(problems, "encryption", encryption)) {
    checkKnownKeys(problems, "encryption", encryption, ["keySecret"]);
    checkSecretKey(problems, "encryption.keySecret", encryption["keySecret"]);
  }
}

function checkSnapshots(problems: Problems, snapshots: unknown): void {
  if (!checkList(problems, "snapshots", snapshots)) {
    return;
  }
  snapshots.forEach((id, index) => {
    if (!isSnapshotId(id)) {
      problems.add(joinPath("snapshots", index), id, snapshotIdRule);
    }
  });
  checkUnique(problems, "snapshots", snapshots);
}

function normalizeAgent(problems: Problems, agent: NonNullable<SnapshotGroupArgs["agent"]>): { image: string; command: string[] } {
  const { image = defaultAgentImage, command = snapshotCommand } = agent;
  checkOptional(problems, "agent", agent, ["image", "command"]);
  checkImage(problems, "agent.image", image);
  if (!Array.isArray(command) || command.length === 0 || command.some((word) => typeof word !== "string")) {
    problems.add("agent.command", command, "a program and its arguments are allowed, as a list of texts");
  }
  return { image, command };
}

function checkOptional(problems: Problems, path: string, value: object | undefined, known: readonly string[]): void {
  if (value !== undefined && checkObject(problems, path, value)) {
    checkKnownKeys(problems, path, value, known);
  }
}

function storeWarnings(kind: StoreKind, args: SnapshotGroupArgs): string[] {
  const nodeDirectory = survivesNodeLoss(kind)
    ? []
    : [
        `store.nodeDirectory: snapshots lie in ${args.store.nodeDirectory?.hostPath ?? ""} of each mesh node and die with it; ` +
          "use an object store or NFS for snapshots that must survive a node",
      ];
  return nodeDirectory;
}

/** The schedule may have been another one when the snapshot was taken, so this is no error. */
function scheduleWarnings(schedule: string, snapshots: readonly string[]): string[] {
  const times = parseSchedule(schedule);
  return snapshots
    .filter((id) => {
      const time = parseSnapshotId(id);
      return time !== undefined && times.next(new Date(time.getTime() - 1)).getTime() !== time.getTime();
    })
    .map(
      (id) =>
        `snapshots: the schedule "${schedule}" never fires at ${id}; services bound to it wait for a snapshot that only another schedule takes`,
    );
}
