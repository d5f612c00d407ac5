/** `npm run placement -- update|check|explain|what-if`: the shard map and its lock file by hand. Needs no cluster and no Pulumi. */
import { writeFileSync } from "node:fs";
import { resolve } from "node:path";
import { parseArgs } from "node:util";
import { meshLockName, serializeMeshLock, updateMeshLock } from "../src/model/mesh-lock";
import { computeShardMap } from "../src/model/placement";
import { shardsOfNode } from "../src/model/shard-map";
import { messageOf, writeAtomic } from "./files";
import { projectRoot } from "./paths";
import { changeTopology, inputMessage, readLock, readSizes, readStack, updateCommand } from "./placement-inputs";
import { drawChange } from "./placement-picture";
import { compareMaps, formatChange } from "./placement-report";

const usage = `usage: npm run placement -- <update | check | explain | what-if> [--stack local] [--lock mesh.lock.json]

  update             brings the lock file up to date with as few moves as possible, and prints them; makes the first one
      --frozen       writes nothing: code 1 where something would change, as check does
  check              code 0 where the lock file is right for the stack, 1 otherwise
      --frozen       a stack without a lock file is wrong, too: for CI
  explain [SHARD…]   why each replica is where it is, one line for each shard; default: all
      --node NAME    the shards of one node
  what-if            what would move, as a table
      --add 3@ZONE --lose NODE --lose-zone ZONE --weight NODE=2 --limit NODE=10 --replicas 3     what to think through; more than once where it makes sense
      --svg FILE     the same as a picture

  --sizes FILE       (update, what-if) JSON with the bytes of each shard, or a list of manifests of a snapshot: shows the data that moves
`;

const many = { type: "string", multiple: true } as const;

function parse(argv: string[]) {
  const changes = { add: many, lose: many, "lose-zone": many, weight: many, limit: many, replicas: { type: "string" } } as const;
  const options = {
    stack: { type: "string", default: "local" },
    lock: { type: "string" },
    frozen: { type: "boolean", default: false },
    node: { type: "string" },
    sizes: { type: "string" },
    svg: { type: "string" },
    help: { type: "boolean", short: "h", default: false },
    ...changes,
  } as const;
  return parseArgs({ args: argv, options, allowPositionals: true, strict: true });
}

/** What every verb works on. */
interface Work {
  values: ReturnType<typeof parse>["values"];
  words: string[];
  request: ReturnType<typeof readStack>["request"];
  /** Name and path of the lock file, and whether the stack names one. */
  name: string;
  path: string;
  configured: boolean;
}

const verbs: Record<string, (work: Work) => number> = { update, check, explain, "what-if": whatIf };

/** Runs one verb. Returns the exit code: 0 done or right, 1 wrong or out of date, 2 wrong words. */
export function placementCommand(argv: string[]): Promise<number> {
  let parsed: ReturnType<typeof parse>;
  try {
    parsed = parse(argv);
  } catch (error) {
    return Promise.resolve(wrong(messageOf(error).split(". ")[0]));
  }
  const [verb, ...words] = parsed.positionals;
  if (parsed.values.help) {
    print(usage);
    return Promise.resolve(0);
  }
  if (verb === undefined || !Object.hasOwn(verbs, verb)) {
    return Promise.resolve(wrong(verb === undefined ? "a word is missing" : `${JSON.stringify(verb)} is not known`));
  }
  if (words.length > 0 && verb !== "explain") {
    return Promise.resolve(wrong(`${JSON.stringify(words[0])} is one word too many`));
  }
  const { request, lock } = readStack(parsed.values.stack);
  const name = parsed.values.lock ?? lock ?? meshLockName;
  const work = { values: parsed.values, words, request, name, path: resolve(projectRoot, name), configured: lock !== undefined };
  try {
    return Promise.resolve(verbs[verb](work));
  } catch (error) {
    process.stderr.write(`${inputMessage(error)}\n`);
    return Promise.resolve(1);
  }
}

function update({ values, request, name, path, configured }: Work): number {
  const before = readLock(values.stack, path, name);
  const { lock, placement, changes } = updateMeshLock(before, request);
  const stale = before === undefined || changes.length > 0;
  print(before === undefined ? `${name}: new` : `${name}: ${changes.join("; ") || "nothing to do"}`);
  if (before !== undefined && stale) {
    print(formatChange(compareMaps(before, lock, sizesOf(values.sizes))).join("\n"));
  }
  placement.warnings.forEach((warning) => print(`warning: ${warning}`));
  if (stale && values.frozen) {
    print(`not written (--frozen); ${mend(values.stack)}`);
    return 1;
  }
  if (stale) {
    writeAtomic(path, serializeMeshLock(lock), 0o644);
    print(`written: ${name}; commit it together with the change of the nodes`);
  }
  if (!configured) {
    print(`the stack ${values.stack} does not use it yet: add \`lock: ${name}\` to \`shards\` in stacks/Pulumi.${values.stack}.yaml`);
  }
  return 0;
}

function check({ values, request, name, path, configured }: Work): number {
  if (!configured && values.lock === undefined) {
    print(`the stack ${values.stack} has no lock file (\`shards.lock\`)${values.frozen ? `; ${mend(values.stack)}` : ""}`);
    return values.frozen ? 1 : 0;
  }
  const before = readLock(values.stack, path, name);
  if (before === undefined) {
    print(`${name}: there is no such file; ${mend(values.stack)}`);
    return 1;
  }
  const { changes } = updateMeshLock(before, request);
  print(changes.length === 0 ? `${name}: right for the stack ${values.stack}` : `${name}: ${changes.join("; ")}; ${mend(values.stack)}`);
  return changes.length === 0 ? 0 : 1;
}

function explain({ values, words, request, name, path }: Work): number {
  const lock = readLock(values.stack, path, name);
  const { map, explain: line } = computeShardMap({ ...request, ...(lock === undefined ? {} : { previous: lock.map }) });
  const chosen = values.node === undefined ? map.owners.map((_owners, shard) => shard) : shardsOfNode(map, values.node);
  const shards = words.length === 0 ? chosen : words.map(Number);
  const odd = words.find((word) => !/^\d+$/.test(word));
  if (odd !== undefined) return wrong(`${JSON.stringify(odd)} is not the number of a shard`);
  print(shards.length === 0 ? `no shard is on ${String(values.node)}` : shards.map(line).join("\n"));
  return 0;
}

function whatIf({ values, request, name, path }: Work): number {
  const before = updateMeshLock(readLock(values.stack, path, name), request).lock;
  const { "lose-zone": loseZone = [], add = [], lose = [], weight = [], limit = [], replicas } = values;
  const changes = { add, lose, loseZone, weight, limit, ...(replicas === undefined ? {} : { replicas }) };
  const changed = changeTopology(request, changes);
  const { lock: after, placement } = updateMeshLock(before, changed);
  const change = compareMaps(before, after, sizesOf(values.sizes));
  print(formatChange(change).join("\n"));
  const [was, willBe] = [request, changed].map((one) => updateMeshLock(undefined, one).lock);
  print(`(as a stack with a lock file; without one ${compareMaps(was, willBe).moves} would move)`);
  placement.warnings.forEach((warning) => print(`warning: ${warning}`));
  if (values.svg !== undefined) {
    const asked = Object.entries(changes).flatMap(([key, words]) => (words.length === 0 ? [] : [`${key} ${[words].flat().join(", ")}`]));
    writeFileSync(values.svg, drawChange(change, `What if: ${asked.join("; ") || "nothing changes"}`));
    print(`written: ${values.svg}`);
  }
  return 0;
}

function sizesOf(file: string | undefined): ((shard: number) => number | undefined) | undefined {
  return file === undefined ? undefined : readSizes(file);
}

function mend(stack: string): string {
  return `bring it up to date with: ${updateCommand(stack)}`;
}

function wrong(message: string): number {
  process.stderr.write(`${message}\n\n${usage}`);
  return 2;
}

function print(text: string): void {
  process.stdout.write(`${text}\n`);
}
