/** The gatherer of a (version, snapshot): asks one owner of every shard and merges the partial answers. What it is told, and its checks. */
import { type MergeArgs, normalizeMergeRules } from "../model/answers";
import { type AnswerLimits, defaultAnswerLimits } from "../model/answers-settings";
import { checkLabels, checkTaints } from "../kubernetes/label-rules";
import { type Toleration, tolerationsOf } from "../kubernetes/pods";
import { checkInteger, checkKnownKeys, checkList, checkObject, checkQuantity } from "../model/checks";
import { joinPath, type Problems } from "../model/errors";
import type { Taint } from "../model/topology";
import type { VersionedServiceArgs } from "./versioned-service";

/** Global answers of a service: a question to the gatherer is put to every shard, and the partial answers become one. */
export interface ServiceAnswersArgs {
  /**
   * How partial answers become one, by path: an exact one (`/total`) or everything at and below one (`/customers/*`, `/*` for all).
   * A question with another path is refused.
   */
  merge: Record<string, MergeArgs>;
  /** Gatherers per version and snapshot, spread over the zones. They hold no state. Default: 2. */
  replicas?: number;
  /** Longest time for each shard in milliseconds, asking a second owner included. Default: 10000. */
  timeoutMilliseconds?: number;
  /** Longest time for a whole question in milliseconds, streams included. Default: 300000. */
  totalTimeoutMilliseconds?: number;
  /** Most bytes of partial answers that one gatherer has in memory, of all questions together. Default: 67108864 (64 MiB). */
  maxBufferedBytes?: number;
  /** Largest body of a question in bytes. Default: 1048576 (1 MiB). */
  maxQuestionBytes?: number;
  /** Most partial answers under way at once in one gatherer, of all questions together. Default: 1024. */
  maxConcurrentPartials?: number;
  /** CPU of one gatherer as a Kubernetes quantity, request and limit. Default: `250m`. */
  cpu?: string;
  /** Memory of one gatherer as a Kubernetes quantity, request and limit. Default: 128Mi and four times `maxBufferedBytes`, together `384Mi`. */
  memory?: string;
  /** Other nodes than those of the mesh, for example a pool (`mesh.pools.web`): gatherers need no data of their own node. Default: the mesh nodes. */
  placement?: PodPlacementArgs;
}

/** Where pods belong. */
export interface PodPlacementArgs {
  /** Labels of the nodes, at least one. */
  selector: Record<string, string>;
  /** Taints of the nodes, which the pods tolerate. Default: none. */
  taints?: Taint[];
}

/** `ServiceAnswersArgs`, normalised. */
export interface AnswersPlan {
  merge: Record<string, MergeArgs>;
  replicas: number;
  /** Those that were given; the gatherer knows the defaults. */
  limits: Partial<AnswerLimits>;
  cpu: string;
  memory: string;
  /** For the heap of JavaScript; the rest is for what it does not count: sockets, buffers, the program itself. */
  heapMebibytes: number;
  /** In place of the mesh nodes. */
  placement?: { nodeSelector: Record<string, string>; tolerations: Toleration[] };
}

const mebibyte = 1024 ** 2;
const limitKeys = Object.keys(defaultAnswerLimits) as (keyof AnswerLimits)[];

/** Checks the args at the path `answers` and fills in the defaults; undefined without any. */
export function planAnswers(problems: Problems, args: VersionedServiceArgs): AnswersPlan | undefined {
  const path = "answers";
  const { answers } = args;
  if (answers === undefined || !checkObject(problems, path, answers)) {
    return undefined;
  }
  const given: ServiceAnswersArgs = answers;
  checkKnownKeys(problems, path, given, ["merge", "replicas", "cpu", "memory", "placement", ...limitKeys]);
  if (args.shardMap === undefined) {
    problems.add("shardMap", undefined, "with answers the shard map is needed: the gatherer asks one owner of every shard");
  }
  normalizeMergeRules(problems, joinPath(path, "merge"), given.merge);
  const limits = Object.fromEntries(limitKeys.filter((key) => given[key] !== undefined).map((key) => [key, given[key]]));
  Object.entries(limits).forEach(([key, value]) => checkInteger(problems, joinPath(path, key), value, { min: 1 }));
  const { replicas = 2, cpu = "250m", maxBufferedBytes } = given;
  // A wrong number has been noted already.
  const buffered = Number.isSafeInteger(maxBufferedBytes) ? (maxBufferedBytes as number) : defaultAnswerLimits.maxBufferedBytes;
  checkInteger(problems, joinPath(path, "replicas"), replicas, { min: 1 });
  checkQuantity(problems, joinPath(path, "cpu"), cpu);
  const { memory = `${128 + Math.ceil((4 * buffered) / mebibyte)}Mi` } = given;
  // Less than this the program itself takes.
  const memoryBytes = checkQuantity(problems, joinPath(path, "memory"), memory, { min: 128 * mebibyte }) ?? 0;
  const heapMebibytes = Math.floor((memoryBytes * 0.7) / mebibyte);
  return { merge: given.merge, replicas, limits, cpu, memory, heapMebibytes, ...planPlacement(problems, given.placement) };
}

function planPlacement(problems: Problems, placement: unknown): Pick<AnswersPlan, "placement"> {
  const path = "answers.placement";
  if (placement === undefined || !checkObject(problems, path, placement)) {
    return {};
  }
  checkKnownKeys(problems, path, placement, ["selector", "taints"]);
  const { selector, taints = [] } = placement;
  const labelled = checkLabels(problems, joinPath(path, "selector"), selector);
  if (labelled && Object.keys(selector).length === 0) {
    problems.add(joinPath(path, "selector"), selector, "at least one label is needed");
  }
  if (!checkList(problems, joinPath(path, "taints"), taints) || !labelled) {
    return {};
  }
  checkTaints(problems, joinPath(path, "taints"), taints as Taint[]);
  return { placement: { nodeSelector: selector, tolerations: tolerationsOf(taints as Taint[]) } };
}
