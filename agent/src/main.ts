#!/usr/bin/env node
/** `compute-mesh-agent`: the commands. */
import { parseArgs } from "node:util";
import { dirname } from "node:path";
import { maxShardCount } from "../../src/model/shards";
import { answerSettingsPath } from "../../src/model/answers-settings";
import { isSnapshotId, snapshotIdRule } from "../../src/model/snapshot-id";
import { runAnswer } from "./answer/command";
import { listSnapshots, stateOf } from "./catalog";
import { readKey } from "./encryption";
import { AgentError, exitCodeOf, messageOf } from "./errors";
import { fetchShards } from "./fetch";
import { agentPort, createHealth, serveHealth } from "./health";
import { connectKafka } from "./kafka";
import { createLog } from "./log";
import { type NodeShards, readNodeShards, readRetention } from "./pod-files";
import { prune } from "./prune";
import { restore } from "./restore";
import { runOnce, runSchedule } from "./runner";
import { defaultPaths, readSettings } from "./settings";
import type { AgentContext } from "./shard-snapshot";
import { openStore } from "./stores/open";
import { formatTable } from "./table";
import { writeTermination } from "./termination";
import { verify } from "./verify";
import { databaseOfEnvironment, waitForSnapshot } from "./wait";

const usage = `compute-mesh-agent: snapshots of the shards of a mesh node

  snapshot                       take the snapshots of the schedule until SIGTERM, and keep the node's shards where the settings say tends
  snapshot --once --at <id>      take this node's shards of one snapshot
  verify <id>                    read a snapshot and prove it; with --kafka also against the records of Kafka
  restore <id>                   restore shards into the empty database of this node
  fetch <id> --to <folder>       download the shards of this node as files of rows
  wait <id>                      return when the database of this node shows all its shards of a snapshot; reads DATABASE_… and the node file only
  prune                          remove what retention does not keep; with --dry-run only say what
  list                           show the snapshots; with --json for programs
  answer                         ask every shard of one service version and merge the answers, until SIGTERM

<id> is a snapshot id such as 20261121t0600z, or newest for the newest complete snapshot.

  --shard <n,…>                  verify, restore, fetch: these shards (default: all)
  --own                          verify, restore: the shards of this node
  --if-empty                     restore: leave out shards that the database has already
  --timeout <seconds>            wait: give up after this time (default: never)
  --take-over-after <seconds>    snapshot: when to take shards whose primary node has not
  --port <n>                     snapshot: of /healthz, /readyz and /metrics (default: ${agentPort})
  --settings <folder>            settings.json and retention.json (default: ${defaultPaths.settings})
  --node-file <file>             node and shards (default: ${defaultPaths.node})

Exit codes: 0 done, 1 unforeseen, 2 wrong arguments or settings, 3 incomplete, 4 unknown snapshot, 5 damaged data, 6 refused,
7 store, database or Kafka out of reach.
`;

const options = {
  once: { type: "boolean" },
  at: { type: "string" },
  shard: { type: "string" },
  own: { type: "boolean" },
  kafka: { type: "boolean" },
  json: { type: "boolean" },
  "dry-run": { type: "boolean" },
  "if-empty": { type: "boolean" },
  "take-over-after": { type: "string" },
  port: { type: "string" },
  settings: { type: "string" },
  "node-file": { type: "string" },
  timeout: { type: "string" },
  to: { type: "string" },
  help: { type: "boolean", short: "h" },
} as const;

type Values = ReturnType<typeof parseArgs<{ options: typeof options }>>["values"];

/** Runs one command; returns its exit code. `signal` is what SIGTERM does. */
export async function run(args: readonly string[], signal: AbortSignal, print: (text: string) => void): Promise<number> {
  const { values, words } = parse(args);
  const [command, id, ...rest] = words;
  if (values.help === true || command === undefined) {
    print(usage);
    return command === undefined && values.help !== true ? 2 : 0;
  }
  const takesId = ["verify", "restore", "fetch", "wait"].includes(command);
  if (rest.length > 0 || (id !== undefined && !takesId)) {
    throw misuse(`${command} ${words.slice(1).join(" ")}`, takesId ? "one snapshot id" : "no further words");
  }
  if (takesId && id === undefined) {
    throw misuse(command, command === "wait" ? "a snapshot id" : "a snapshot id, or newest");
  }
  const folder = values.settings ?? defaultPaths.settings;
  switch (command) {
    case "snapshot":
      return await snapshot(await open(folder), values, folder, signal);
    case "verify": {
      const context = await open(folder);
      const kafka = values.kafka === true ? await connectKafka(context.settings.kafka) : undefined;
      try {
        const proven = await verify(context, id, chosenShards(context, values), kafka);
        const gone = proven.goneFromKafka === 0 ? "" : `; Kafka has removed ${proven.goneFromKafka} of the records since`;
        const aside = proven.setAside === 0 ? "" : `; ${proven.setAside} of the records are in ${context.settings.deadLetterTopic}`;
        const against = kafka === undefined ? "" : `, equal to Kafka up to the cut${gone}${aside}`;
        print(
          `snapshot ${proven.snapshot}: ${proven.shards} shards, ${proven.rows} rows, ${proven.bytes} bytes are as they were written${against}\n`,
        );
      } finally {
        await kafka?.close();
      }
      return 0;
    }
    case "restore": {
      const context = await open(folder);
      const done = await restore(context, id, chosenShards(context, values), values["if-empty"] === true);
      const skipped = done.skipped.length === 0 ? "" : `; there already: shards ${done.skipped.join(", ")}`;
      print(`snapshot ${done.snapshot}: restored ${done.shards.length} shards with ${done.rows} rows${skipped}\n`);
      return 0;
    }
    case "fetch": {
      if (values.to === undefined) {
        throw misuse(command, "--to <folder>");
      }
      const context = await open(folder);
      const shards = values.shard === undefined ? readNode(context, values).shards : (chosenShards(context, values) ?? []);
      const done = await fetchShards(context, id, shards, values.to);
      const there = done.there.length === 0 ? "" : `; there already: shards ${done.there.join(", ")}`;
      print(`snapshot ${done.snapshot}: fetched ${done.shards.length} shards with ${done.rows} rows${there}\n`);
      return 0;
    }
    case "wait": {
      const node = readNodeShards(values["node-file"] ?? defaultPaths.node, maxShardCount);
      const timeout = values.timeout === undefined ? {} : { timeoutSeconds: wholeNumber("timeout", values.timeout) };
      await waitForSnapshot(id, databaseOfEnvironment(), { node, log: createLog(), signal, ...timeout });
      return 0;
    }
    case "prune": {
      const context = await open(folder);
      const dryRun = values["dry-run"] === true;
      const expected = ownStoreShards(context, values);
      const ids = await prune(context, readRetention(folder), { now: new Date(), dryRun, ...(expected === undefined ? {} : { expected }) });
      print(ids.length === 0 ? "nothing to remove\n" : `${dryRun ? "would remove" : "removed"} ${ids.join(", ")}\n`);
      return 0;
    }
    case "list": {
      const context = await open(folder);
      const expected = ownStoreShards(context, values);
      const states = [];
      for (const entry of await listSnapshots(context)) {
        states.push(await stateOf(context, entry, expected));
      }
      const count = expected?.length ?? context.settings.plan.shardCount;
      print(values.json === true ? `${JSON.stringify(states, undefined, 2)}\n` : formatTable(states, count, readRetention(folder).pinned));
      return 0;
    }
    case "answer":
      await runAnswer(values.settings ?? dirname(answerSettingsPath), signal, createLog());
      return 0;
    default:
      throw misuse(command, "snapshot, verify, restore, fetch, wait, prune, list or answer");
  }
}

async function snapshot(context: AgentContext, values: Values, folder: string, signal: AbortSignal): Promise<number> {
  const node = readNode(context, values);
  const health = createHealth();
  const takeOver =
    values["take-over-after"] === undefined ? {} : { takeOverAfter: wholeNumber("take-over-after", values["take-over-after"]) };
  if (values.once === true) {
    if (!isSnapshotId(values.at)) {
      throw misuse(`--at ${values.at ?? ""}`, snapshotIdRule);
    }
    await runOnce(context, values.at, { node, health, signal, ...takeOver });
    return 0;
  }
  if (values.at !== undefined) {
    throw misuse("--at", "--once beside it");
  }
  const server = await serveHealth(health, values.port === undefined ? agentPort : wholeNumber("port", values.port));
  try {
    // Read once now, so that a wrong file is found before the first snapshot.
    readRetention(folder);
    await runSchedule(context, { node, health, signal, retention: () => readRetention(folder), ...takeOver });
  } finally {
    server.close();
    server.closeAllConnections();
  }
  return 0;
}

async function open(folder: string): Promise<AgentContext> {
  const settings = readSettings(folder);
  const key = settings.encryption === undefined ? {} : { key: readKey(settings.encryption.keyFile) };
  return { settings, store: await openStore(settings.store), log: createLog(), ...key };
}

function readNode({ settings }: AgentContext, values: Values): NodeShards {
  return readNodeShards(values["node-file"] ?? defaultPaths.node, settings.plan.shardCount);
}

/** Where each node has a directory of its own, nothing but the node's shards can be there. */
function ownStoreShards(context: AgentContext, values: Values): number[] | undefined {
  return context.settings.store.directory?.shared === false ? readNode(context, values).shards : undefined;
}

function chosenShards(context: AgentContext, values: Values): number[] | undefined {
  if (values.own === true) {
    return readNode(context, values).shards;
  }
  if (values.shard === undefined) {
    return ownStoreShards(context, values);
  }
  const last = context.settings.plan.shardCount - 1;
  return values.shard.split(",").map((text) => {
    const shard = wholeNumber("shard", text);
    if (shard > last) {
      throw misuse(`--shard ${text}`, `a shard from 0 to ${last}`);
    }
    return shard;
  });
}

function parse(args: readonly string[]): { values: Values; words: string[] } {
  try {
    const { values, positionals } = parseArgs({ args: [...args], options, allowPositionals: true });
    return { values, words: positionals };
  } catch (error) {
    throw misuse(args.join(" "), "known options", messageOf(error));
  }
}

function wholeNumber(option: string, text: string): number {
  if (!/^\d{1,9}$/.test(text)) {
    throw misuse(`--${option} ${text}`, "a whole number");
  }
  return Number(text);
}

function misuse(what: string, expected: string, found = "something else"): AgentError {
  return new AgentError({ kind: "usage", what, expected, found, todo: "see `compute-mesh-agent --help`" });
}

/** A pod gets 60 seconds: the shard that is being written may end, then everything is left as it is. */
const graceMilliseconds = 50_000;

if (require.main === module) {
  const stop = new AbortController();
  for (const name of ["SIGTERM", "SIGINT"] as const) {
    process.once(name, () => {
      stop.abort();
      // Never 0: an init step that was stopped has not done its work.
      setTimeout(() => process.exit(143), graceMilliseconds).unref();
    });
  }
  run(process.argv.slice(2), stop.signal, (text) => void process.stdout.write(text)).then(
    // Clients keep connections open; nothing is left to do on them.
    (code) => process.stdout.write("", () => process.exit(code)),
    (error: unknown) => {
      const unforeseen = exitCodeOf(error) === 1 && error instanceof Error ? { stack: error.stack } : {};
      createLog()("error", messageOf(error), unforeseen);
      writeTermination(messageOf(error));
      process.exit(exitCodeOf(error));
    },
  );
}
