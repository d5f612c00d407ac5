/** The settings of the gatherer, the program that asks every shard of one (service, version, snapshot) and merges the partial answers. */
import type { Merge, MergeArgs } from "./answers";
import { normalizeMergeRules } from "./answers-normalize";
import { checkDnsLabel, checkInteger, checkKnownKeys, checkList, checkObject, checkOneOf, checkUnique, exactlyOne } from "./checks";
import { formatDocument, parseDocument } from "./documents";
import { joinPath, Problems } from "./errors";
import { maxShardCount } from "./shards";
import { isSnapshotId, snapshotIdRule } from "./snapshot-id";

/** Where the gatherer finds its settings. */
export const answerSettingsPath = "/etc/compute-mesh-answer/settings.json";
/** Where it finds the shards of every node, one file each, as `nodeFile` writes them. */
export const shardFilesPath = "/etc/compute-mesh-shards";

/** The pods of a Kubernetes Service, found by its EndpointSlices. */
export interface AnswerUpstream {
  /** Name of the Kubernetes Service of the (version, snapshot). */
  endpointService: string;
  namespace: string;
  /** Port that the pods listen on. */
  port: number;
  /** What the shard files are called by: the name of the Kubernetes node, or its label `compute-mesh.dev/node`. */
  nodes: "nodeName" | "nodeLabel";
}

/** A pod at a fixed address, for other platforms and for tests. */
export interface AnswerOwner {
  /** Name of the mesh node. */
  node: string;
  /** For example `http://10.0.0.7:8080`. */
  url: string;
  /** Shards that it answers for. */
  shards: number[];
  /** Those that it is asked for first; the others only where no first owner answers. Default: none. */
  primary?: number[];
}

/** The limits of a gatherer. */
export interface AnswerLimits {
  /** Longest time for each shard in milliseconds, asking a second owner included. Default: 10,000. */
  timeoutMilliseconds: number;
  /** Longest time for a whole question in milliseconds, streams included. Default: 300,000. */
  totalTimeoutMilliseconds: number;
  /** Most bytes of partial answers that are in memory at once, of all questions together. Default: 67,108,864 (64 MiB). */
  maxBufferedBytes: number;
  /** Largest body of a question in bytes. Default: 1,048,576 (1 MiB). */
  maxQuestionBytes: number;
  /** Most partial answers under way at once, of all questions together; questions beyond it wait for their turn. Default: 1,024. */
  maxConcurrentPartials: number;
}

/** settings.json as it is written. */
export interface AnswerSettingsArgs extends Partial<AnswerLimits> {
  service: string;
  version: string;
  snapshot: string;
  shardCount: number;
  /** Port of questions. Default: 8080. */
  port?: number;
  /** Port of /healthz, /readyz and /metrics. Default: 8081. */
  healthPort?: number;
  /** Exactly one of `upstream` and `owners`. */
  upstream?: AnswerUpstream;
  owners?: AnswerOwner[];
  /** Path → how its partial answers become one. */
  merge: Record<string, MergeArgs>;
}

/** settings.json, checked, with its defaults. */
export interface AnswerSettings extends AnswerLimits {
  service: string;
  version: string;
  snapshot: string;
  shardCount: number;
  port: number;
  healthPort: number;
  upstream?: AnswerUpstream;
  owners?: Required<AnswerOwner>[];
  merge: Record<string, Merge>;
}

export const defaultAnswerLimits: AnswerLimits = {
  timeoutMilliseconds: 10_000,
  totalTimeoutMilliseconds: 300_000,
  maxBufferedBytes: 64 * 1024 * 1024,
  maxQuestionBytes: 1024 * 1024,
  maxConcurrentPartials: 1024,
};

const kind = "AnswerSettings";
const limitNames = Object.keys(defaultAnswerLimits) as (keyof AnswerLimits)[];
const members = ["service", "version", "snapshot", "shardCount", "port", "healthPort", "upstream", "owners", "merge", ...limitNames];

/** settings.json as text. */
export function formatAnswerSettings(args: AnswerSettingsArgs): string {
  return formatDocument(kind, args);
}

/**
 * Reads the text of `formatAnswerSettings`.
 *
 * @throws MeshInputError with everything that is wrong
 */
export function parseAnswerSettings(text: string): AnswerSettings {
  const problems = new Problems("settings.json");
  const document = parseDocument(problems, text, kind, members) as unknown as AnswerSettingsArgs;
  checkDnsLabel(problems, "service", document.service);
  checkDnsLabel(problems, "version", document.version);
  if (!isSnapshotId(document.snapshot)) {
    problems.add("snapshot", document.snapshot, snapshotIdRule);
  }
  const { shardCount, port = 8080, healthPort = 8081, upstream, owners, ...given } = document;
  const counted = checkInteger(problems, "shardCount", shardCount, { min: 1, max: maxShardCount });
  checkInteger(problems, "port", port, { min: 1, max: 65535 });
  checkInteger(problems, "healthPort", healthPort, { min: 1, max: 65535 });
  if (port === healthPort) {
    problems.add("healthPort", healthPort, "another port than that of the questions is needed");
  }
  const limits = Object.fromEntries(limitNames.map((name) => [name, given[name] ?? defaultAnswerLimits[name]])) as unknown as AnswerLimits;
  limitNames.forEach((name) => checkInteger(problems, name, limits[name], { min: 1 }));
  exactlyOne(problems, "", document, ["upstream", "owners"]);
  if (upstream !== undefined) {
    checkUpstream(problems, upstream);
  }
  const merge = normalizeMergeRules(problems, "merge", document.merge);
  const known = owners === undefined ? {} : { owners: checkOwners(problems, owners, counted ? shardCount : maxShardCount) };
  problems.throwIfAny();
  const { service, version, snapshot } = document;
  return { service, version, snapshot, shardCount, port, healthPort, ...(upstream === undefined ? known : { upstream }), merge, ...limits };
}

function checkUpstream(problems: Problems, upstream: unknown): void {
  if (checkObject(problems, "upstream", upstream)) {
    checkKnownKeys(problems, "upstream", upstream, ["endpointService", "namespace", "port", "nodes"]);
    checkDnsLabel(problems, "upstream.endpointService", upstream["endpointService"]);
    // A namespace may begin with a digit (RFC 1123), a Service may not.
    if (typeof upstream["namespace"] !== "string" || !/^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$/.test(upstream["namespace"])) {
      problems.add("upstream.namespace", upstream["namespace"], "the name of a namespace is needed");
    }
    checkInteger(problems, "upstream.port", upstream["port"], { min: 1, max: 65535 });
    checkOneOf(problems, "upstream.nodes", upstream["nodes"], ["nodeName", "nodeLabel"]);
  }
}

function checkOwners(problems: Problems, owners: unknown, shardCount: number): Required<AnswerOwner>[] {
  if (!checkList(problems, "owners", owners)) {
    return [];
  }
  const checked = owners.map((owner, index): Required<AnswerOwner> => {
    const path = joinPath("owners", index);
    const given = (checkObject(problems, path, owner) ? owner : {}) as Partial<AnswerOwner>;
    const { node, url, shards, primary = [] } = given;
    checkKnownKeys(problems, path, given, ["node", "url", "shards", "primary"]);
    checkDnsLabel(problems, joinPath(path, "node"), node);
    if (typeof url !== "string" || !/^http:\/\/[^\s/@?#]+\/?$/.test(url) || !URL.canParse(url)) {
      problems.add(joinPath(path, "url"), url, "an address is allowed, for example http://10.0.0.7:8080");
    }
    for (const [name, list] of Object.entries({ shards, primary })) {
      if (checkList(problems, joinPath(path, name), list)) {
        list.forEach((shard, at) => checkInteger(problems, joinPath(joinPath(path, name), at), shard, { min: 0, max: shardCount - 1 }));
        checkUnique(problems, joinPath(path, name), list);
      }
    }
    const strangers = Array.isArray(primary) && Array.isArray(shards) ? primary.filter((shard) => !shards.includes(shard)) : [];
    if (strangers.length > 0) {
      problems.add(joinPath(path, "primary"), strangers, "only shards of `shards` are allowed");
    }
    return { node: node ?? "", url: (url ?? "").replace(/\/$/, ""), shards: shards ?? [], primary };
  });
  checkUnique(
    problems,
    "owners",
    checked.map(({ url }) => url),
    "url",
  );
  return checked;
}
