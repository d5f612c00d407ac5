/** The plain part of a ComputeMesh: every part's args linked by facts and checked, before anything is created. */
import { checkComponentName, checkDnsLabel, checkKnownKeys, checkObject } from "../model/checks";
import { joinPath, keyPath, MeshInputError, Problems } from "../model/errors";
import type { LocalDbFacts, SnapshotGroupFacts, VersionedServiceFacts } from "../model/facts";
import { computeShardMap, type PlacementResult } from "../model/placement";
import type { ShardMap } from "../model/shard-map";
import { checkShardPlan } from "../model/shards";
import { type MeshSummary, summarizeMesh } from "../model/summary";
import type { MeshNodeFacts } from "../model/topology";
import type { ComputeMeshArgs } from "./compute-mesh";
import { type ComputeMeshNodeArgs, normalizeComputeMeshNode } from "./compute-mesh-node";
import { type GlooRoutesArgs, normalizeGlooRoutes } from "./gloo-routes";
import type { LocalDbDaemonSetArgs } from "./local-db-daemon-set";
import { normalizeLocalDb } from "./local-db-plan";
import type { ShardedIngestArgs } from "./sharded-ingest";
import { normalizeShardedIngest } from "./sharded-ingest-plan";
import type { SnapshotGroupArgs } from "./snapshot-group";
import { normalizeSnapshotGroup } from "./snapshot-group-plan";
import type { VersionedServiceArgs } from "./versioned-service";
import { normalizeVersionedService } from "./versioned-service-plan";

/** One part of the mesh: the name of its component and its complete args. */
interface Part<Args> {
  name: string;
  args: Args;
}

/** All that is plain about a ComputeMesh. `namespace` in the parts is the plain name; the component puts the created one in its place. */
export interface ComputeMeshPlan {
  namespace: string;
  /** Pod Security level of the namespace: as low as the volumes of the parts need, as high as they allow. */
  podSecurity: "restricted" | "baseline" | "privileged";
  facts: MeshNodeFacts[];
  shardMap: ShardMap;
  topics: ComputeMeshArgs["topics"];
  nodes: Part<ComputeMeshNodeArgs>[];
  database: Part<LocalDbDaemonSetArgs>;
  ingest: Part<ShardedIngestArgs>;
  snapshotGroups: Part<SnapshotGroupArgs>[];
  services: Part<VersionedServiceArgs>[];
  /** One, or none where the mesh has no routes. */
  routes: Part<GlooRoutesArgs>[];
  summary: MeshSummary;
}

const argsKeys = [
  "nodeProvider",
  "namespace",
  "nodes",
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
 * Links and checks everything.
 *
 * @throws MeshInputError with every problem of every part, its path beginning at the args of the mesh
 */
export function normalizeComputeMesh(name: string, args: ComputeMeshArgs): ComputeMeshPlan {
  const problems = new Problems(`computeMesh ${JSON.stringify(name)}`);
  checkShape(problems, name, args);
  problems.throwIfAny();

  const namespace = args.namespace ?? name;
  const nodes = Object.entries(args.nodes).map(([nodeName, entry]) => ({
    name: `${name}-node-${nodeName}`,
    args: { ...entry, nodeName, mesh: name, nodeProvider: args.nodeProvider },
  }));
  const facts = nodes.map((node) =>
    attempt(problems, keyPath("nodes", node.args.nodeName), () => args.nodeProvider.facts(normalizeComputeMeshNode(node.name, node.args))),
  );
  checkShardPlan(problems, "", { shardCount: args.shards.count, topics: args.topics });
  // What follows needs every node; with a wrong one it would only repeat what was found.
  problems.throwIfAny();
  const linked = { namespace, nodes: facts.filter((one) => one !== undefined) };
  const placement = placeShards(problems, args, linked.nodes);
  problems.throwIfAny();

  const map = (placement as PlacementResult).map;
  const data = { ...linked, shardMap: map, topics: args.topics, kafka: args.kafka };
  const database = { name: `${name}-db`, args: { ...args.database, ...linked } };
  const databaseFacts = attempt(problems, "database", () => normalizeLocalDb(database.name, database.args).facts);
  // The other parts are checked even where the database is wrong: they need no more of it than that it is there.
  const db = databaseFacts ?? unknownDatabase;
  const ingest = { name: `${name}-ingest`, args: { ...args.ingest, ...data, database: db } };
  attempt(problems, "ingest", () => normalizeShardedIngest(ingest.name, ingest.args), ["topics", "kafka"]);
  const groups = planSnapshotGroups(problems, name, args, { ...data, database: db });
  const services = planServices(problems, name, args, { ...linked, shardMap: map, database: db }, groups);
  const routes = planRoutes(problems, name, args, { namespace, services: services.map((one) => one.facts) });
  problems.throwIfAny();

  return {
    namespace,
    podSecurity: podSecurityOf(args),
    facts: linked.nodes,
    shardMap: map,
    topics: args.topics,
    nodes,
    database,
    ingest,
    snapshotGroups: groups,
    services,
    routes: routes ? [routes] : [],
    summary: summarizeMesh({
      mesh: name,
      namespace,
      nodes: linked.nodes,
      shardMap: map,
      warnings: (placement as PlacementResult).warnings,
      topics: args.topics,
      database: db,
      snapshotGroups: groups.map((group) => ({ key: group.key, facts: group.facts })),
      services: services.map((service) => service.facts),
      routes: routes?.facts.routes ?? [],
    }),
  };
}

/** Keys and kinds of the top level, so that what follows can rely on them. */
function checkShape(problems: Problems, name: string, args: ComputeMeshArgs): void {
  checkComponentName(problems, name);
  checkKnownKeys(problems, "", args, argsKeys);
  if (args.namespace !== undefined) {
    checkDnsLabel(problems, "namespace", args.namespace);
  }
  if (typeof args.nodeProvider?.createCluster !== "function") {
    problems.add(
      "nodeProvider",
      typeof args.nodeProvider,
      "a node provider is allowed, for example localProvider({ … }) or existingProvider({ … })",
    );
  }
  for (const key of ["nodes", "shards", "topics", "kafka"] as const) {
    checkObject(problems, key, args[key]);
  }
  for (const key of ["database", "ingest", "snapshots", "services", "routes"] as const) {
    if (args[key] !== undefined) {
      checkObject(problems, key, args[key]);
    }
  }
  for (const key of ["nodes", "topics", "snapshots", "services"] as const) {
    for (const [inner, value] of Object.entries(args[key] ?? {})) {
      checkObject(problems, keyPath(key, inner), value);
    }
  }
  for (const [nodeName, entry] of Object.entries(args.nodes ?? {})) {
    checkKnownKeys(problems, keyPath("nodes", nodeName), entry ?? {}, ["spec", "weight", "dataProtection"]);
  }
  checkKnownKeys(problems, "shards", args.shards ?? {}, ["count", "replicas", "zoneSpread", "previous"]);
}

/** Runs one part's own checks and takes its problems over. Paths that begin with one of `ours` are the mesh's own properties. */
function attempt<T>(problems: Problems, prefix: string, normalize: () => T, ours: readonly string[] = []): T | undefined {
  try {
    return normalize();
  } catch (error) {
    if (!(error instanceof MeshInputError)) {
      throw error;
    }
    for (const problem of error.problems) {
      const isOurs = ours.some((key) => problem.path === key || problem.path.startsWith(`${key}.`) || problem.path.startsWith(`${key}[`));
      problems.addAll(isOurs ? "" : prefix, [problem]);
    }
    return undefined;
  }
}

function placeShards(problems: Problems, args: ComputeMeshArgs, nodes: MeshNodeFacts[]): PlacementResult | undefined {
  const { count, replicas, zoneSpread, previous } = args.shards;
  const request = {
    nodes,
    shardCount: count,
    ...(replicas === undefined ? {} : { replicas }),
    // The placement checks the word itself.
    ...(zoneSpread === undefined ? {} : { zoneSpread: zoneSpread as "preferred" | "required" }),
    ...(previous === undefined ? {} : { previous }),
  };
  return attempt(problems, "shards", () => computeShardMap(request), ["nodes"]);
}

type DataLinks = Pick<SnapshotGroupArgs, "namespace" | "nodes" | "shardMap" | "topics" | "kafka" | "database">;
type ServiceLinks = Pick<VersionedServiceArgs, "namespace" | "nodes" | "shardMap" | "database">;
interface PlannedGroup extends Part<SnapshotGroupArgs> {
  key: string;
  facts: SnapshotGroupFacts;
}
interface PlannedService extends Part<VersionedServiceArgs> {
  facts: VersionedServiceFacts;
}

function planSnapshotGroups(problems: Problems, name: string, args: ComputeMeshArgs, links: DataLinks): PlannedGroup[] {
  return Object.entries(args.snapshots ?? {}).flatMap(([key, own]) => {
    const part = { key, name: `${name}-snapshots-${key}`, args: { ...own, ...links } };
    const facts = attempt(problems, keyPath("snapshots", key), () => normalizeSnapshotGroup(part.name, part.args).facts, [
      "topics",
      "kafka",
    ]);
    return facts ? [{ ...part, facts }] : [];
  });
}

function planServices(
  problems: Problems,
  name: string,
  args: ComputeMeshArgs,
  links: ServiceLinks,
  groups: PlannedGroup[],
): PlannedService[] {
  return Object.entries(args.services ?? {}).flatMap(([key, { snapshotGroup, ...own }]) => {
    const path = keyPath("services", key);
    const group = groups.find((one) => one.key === snapshotGroup);
    if (!group) {
      // A group that is there but wrong has been reported already.
      if (!Object.hasOwn(args.snapshots ?? {}, snapshotGroup)) {
        const known = Object.keys(args.snapshots ?? {}).join(", ") || "none";
        problems.add(joinPath(path, "snapshotGroup"), snapshotGroup, `the key of a snapshot group is allowed; there are: ${known}`);
      }
      return [];
    }
    const part = { name: `${name}-service-${key}`, args: { ...own, ...links, serviceName: key, snapshotGroup: group.facts } };
    const facts = attempt(problems, path, () => normalizeVersionedService(part.name, part.args).facts);
    return facts ? [{ ...part, facts }] : [];
  });
}

function planRoutes(
  problems: Problems,
  name: string,
  args: ComputeMeshArgs,
  links: Pick<GlooRoutesArgs, "namespace" | "services">,
): (Part<GlooRoutesArgs> & { facts: ReturnType<typeof normalizeGlooRoutes>["facts"] }) | undefined {
  // With a wrong service every route to it would be reported as well.
  if (!args.routes || links.services.length < Object.keys(args.services ?? {}).length) {
    return undefined;
  }
  const part = { name: `${name}-routes`, args: { ...args.routes, ...links } };
  const facts = attempt(problems, "routes", () => normalizeGlooRoutes(part.name, part.args).facts);
  return facts && { ...part, facts };
}

/** Stands for a database whose args are wrong, so that the rest can be checked in the same run; it is never created. */
const unknownDatabase: LocalDbFacts = { name: "db", engine: "postgres", serviceName: "db", port: 5432, database: "mesh", secretName: "db" };

/** https://kubernetes.io/docs/concepts/security/pod-security-standards: `restricted` knows no NFS volumes, only `privileged` knows hostPath. */
function podSecurityOf(args: ComputeMeshArgs): ComputeMeshPlan["podSecurity"] {
  const { storage, backingStore } = args.database ?? {};
  const stores = Object.values(args.snapshots ?? {}).map((group) => group.store);
  if (storage?.nodeDisk ?? backingStore?.hostPath ?? stores.some((store) => store.nodeDirectory)) {
    return "privileged";
  }
  return (backingStore?.nfs ?? stores.some((store) => store.nfs)) ? "baseline" : "restricted";
}
