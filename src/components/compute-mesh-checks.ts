/** What a ComputeMesh checks of its own args, and how it goes on after a wrong part, so that one run reports everything. */
import { isLocated } from "../mesh-file";
import { checkComponentName, checkDnsLabel, checkKnownKeys, checkObject, isObject } from "../model/checks";
import { joinPath, keyPath, MeshInputError, type Problems } from "../model/errors";
import type { LocalDbFacts, SnapshotGroupFacts, VersionedServiceFacts } from "../model/facts";
import { createShardMap, type ShardMap } from "../model/shard-map";
import { maxShardCount } from "../model/shards";
import type { MeshNodeFacts } from "../model/topology";
import type { ComputeMeshArgs } from "./compute-mesh";

const argsKeys = [
  "nodeProvider",
  "namespace",
  "nodes",
  "pools",
  "shards",
  "topics",
  "kafka",
  "database",
  "ingest",
  "snapshots",
  "services",
  "routes",
  "transforms",
];

/**
 * Checks keys and kinds of the upper levels.
 *
 * @returns whether what follows can rely on them
 */
export function checkShape(problems: Problems, name: string, args: ComputeMeshArgs): boolean {
  const named = checkComponentName(problems, name);
  if (!checkObject(problems, "", args)) {
    return false;
  }
  const given: ComputeMeshArgs = args;
  checkKnownKeys(problems, "", given, argsKeys);
  const placed = given.namespace === undefined || checkDnsLabel(problems, "namespace", given.namespace);
  const provided = typeof given.nodeProvider?.createCluster === "function";
  if (!provided) {
    problems.add(
      "nodeProvider",
      typeof given.nodeProvider,
      "a node provider is allowed, for example localProvider({ … }) or existingProvider({ … })",
    );
  }
  const kinds = [
    ...(["nodes", "shards", "topics", "kafka"] as const).map((key) => checkObject(problems, key, given[key])),
    ...(["pools", "database", "ingest", "snapshots", "services", "routes", "transforms"] as const).map(
      (key) => given[key] === undefined || checkObject(problems, key, given[key]),
    ),
    ...(["nodes", "pools", "topics", "snapshots", "services"] as const).flatMap((key) =>
      // A list or a text has been reported already.
      Object.entries(isObject(given[key]) ? given[key] : {}).map(([inner, value]) => checkObject(problems, keyPath(key, inner), value)),
    ),
  ];
  if (!named || !placed || !provided || kinds.includes(false)) {
    return false;
  }
  checkKnownKeys(problems, "shards", given.shards, ["count", "replicas", "zoneSpread", "previous", "lock"]);
  checkKnownKeys(problems, "transforms", given.transforms ?? {}, ["namespace", "topic"]);
  for (const [nodeName, entry] of Object.entries(given.nodes)) {
    checkKnownKeys(problems, keyPath("nodes", nodeName), entry, ["spec", "weight", "maxShards", "dataProtection"]);
  }
  return true;
}

/**
 * The key of the snapshot group that keeps the databases: the one that `ingest.restoreFrom` names, or that says so itself, or the only one, where every
 * node reads the same store. None with the stock engine, which cannot wait for a shard.
 */
export function tendingGroup(problems: Problems, args: ComputeMeshArgs): string | undefined {
  const groups = Object.entries(args.snapshots ?? {});
  const chosen: unknown = args.ingest?.restoreFrom;
  const saying = groups.filter(([, group]) => group.tendsShards === true).map(([key]) => key);
  if (isObject(args.ingest?.engine) && args.ingest.engine.stock !== undefined) {
    saying.forEach((key) => {
      const reason = "the engine stock would write to shards that are being restored; use the engine mesh, which is the default";
      problems.add(joinPath(keyPath("snapshots", key), "tendsShards"), true, reason);
    });
    if (chosen !== undefined) {
      problems.add("ingest.restoreFrom", chosen, "the engine stock does not know it; use the engine mesh, which is the default");
    }
    return undefined;
  }
  if (chosen !== undefined && !groups.some(([key]) => key === chosen)) {
    const known = groups.map(([key]) => key).join(", ") || "none";
    problems.add("ingest.restoreFrom", chosen, `the key of a snapshot group is allowed; there are: ${known}`);
    return undefined;
  }
  const first = typeof chosen === "string" ? chosen : saying[0];
  for (const [key, group] of groups) {
    const path = joinPath(keyPath("snapshots", key), "tendsShards");
    if (key === chosen && group.tendsShards === false) {
      problems.add(path, false, "ingest.restoreFrom names this group: it must restore what ingest waits for");
    } else if (key !== first && group.tendsShards === true) {
      problems.add(path, true, `one group of a mesh keeps the databases, and ${String(first)} is the one`);
    }
  }
  const [only, ...others] = groups;
  const shared = only !== undefined && others.length === 0 && only[1].tendsShards !== false && isObject(only[1].store);
  return first ?? (shared && only[1].store.nodeDirectory === undefined ? only[0] : undefined);
}

/** Notes what a part says although the mesh decides it: it would be overwritten without a word. */
export function checkDecided(problems: Problems, path: string, given: object | undefined, decided: object): void {
  for (const key of Object.keys(decided)) {
    if (given !== undefined && Object.hasOwn(given, key)) {
      problems.add(joinPath(path, key), key, "the mesh itself decides it for all its parts");
    }
  }
}

/**
 * Runs one part's own checks and takes its problems over, at the paths that `place` makes of the part's own.
 *
 * What another part found before is not repeated: several of them check the topics and Kafka.
 */
export function attempt<T>(problems: Problems, normalize: () => T, place: (path: string) => string): T | undefined {
  try {
    return normalize();
  } catch (error) {
    if (!(error instanceof MeshInputError)) {
      throw error;
    }
    const before = [...problems.all];
    const found = error.problems.map((problem) => ({ ...problem, path: place(problem.path) }));
    problems.addAll(
      "",
      found.filter(({ path, given }) => !before.some((known) => known.path === path && known.given === given)),
    );
    return undefined;
  }
}

/** The names that the mesh makes of its own name and the part's key. */
const madeNames = ["name", "nodeName", "serviceName"];

/** Paths below `prefix`, except for those that begin with one of `ours`: they are the mesh's own properties. A name is the part's key; a line of a file stays. */
export function below(prefix: string, ours: readonly string[] = []): (path: string) => string {
  const first = (path: string): string => /^[^.[]*/.exec(path)?.[0] ?? "";
  return (path) => (ours.includes(first(path)) || isLocated(path) ? path : madeNames.includes(path) ? prefix : joinPath(prefix, path));
}

/** Stands for a mesh node whose args are wrong; one that is right has the selector that all have in common. */
export function unknownNode(mesh: string, index: number, right: MeshNodeFacts | undefined): MeshNodeFacts {
  const other = right ?? { zone: "unknown", region: "unknown", cluster: "unknown", provider: "unknown", selector: { mesh } };
  return { ...other, name: `unknown-${index}`, weight: 1, labels: {}, taints: [], kubernetesNodeName: undefined };
}

/** Stands for a shard map that could not be computed. */
export function unknownShardMap(count: unknown, nodes: readonly MeshNodeFacts[]): ShardMap {
  const usable = Number.isInteger(count) && (count as number) >= 1 && (count as number) <= maxShardCount;
  return createShardMap(
    Array.from({ length: usable ? (count as number) : 1 }, () => nodes.slice(0, 1).map((node) => node.name)),
    1,
  );
}

/** Stands for a database whose args are wrong. */
export const unknownDatabase: LocalDbFacts = {
  name: "db",
  engine: "postgres",
  serviceName: "db",
  port: 5432,
  database: "mesh",
  secretName: "db",
};

/** Stands for a snapshot group that is wrong or not there; it keeps what it says, or else all that `service` asks for. */
export function unknownGroup(name: string, group: unknown, service: unknown): SnapshotGroupFacts {
  const said: unknown = isObject(group) ? group["snapshots"] : undefined;
  const asked = bindings(service).map(({ snapshot }) => snapshot);
  return { name, schedule: "", storeKind: "", settingsName: "", snapshots: Array.isArray(said) ? said.map(String) : asked };
}

/**
 * Stands for a wrong service where its versions are known at least; else what is said of its routes would only repeat that. For the same reason every
 * version is bound to every snapshot.
 */
export function unknownService(name: string, service: unknown, group: SnapshotGroupFacts): VersionedServiceFacts | undefined {
  const pairs = bindings(service);
  const versions = [...new Set(pairs.map(({ version }) => version))];
  const snapshots = [...new Set([...pairs.map(({ snapshot }) => snapshot), ...group.snapshots])];
  const endpoints = versions.flatMap((version) =>
    snapshots.map((snapshot) => ({ version, snapshot, serviceName: `${name}-${version}-${snapshot}`, port: 1, podServiceNames: [] })),
  );
  const weights = Object.fromEntries(versions.map((version) => [version, 1]));
  return endpoints.length === 0 ? undefined : { name, weights, endpoints };
}

/** Every version of a service with each of its snapshots, as far as it is told. */
function bindings(service: unknown): { version: string; snapshot: string }[] {
  const versions = isObject(service) && isObject(service["versions"]) ? service["versions"] : {};
  return Object.entries(versions).flatMap(([version, args]) => {
    const snapshots: unknown = isObject(args) ? args["snapshots"] : undefined;
    return Array.isArray(snapshots) ? snapshots.map((snapshot) => ({ version, snapshot: String(snapshot) })) : [];
  });
}
