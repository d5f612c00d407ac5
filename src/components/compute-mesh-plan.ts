/** The plain part of a ComputeMesh: every part's args linked by facts and checked, before anything is created. */
import { joinPath, keyPath, Problems } from "../model/errors";
import type { SnapshotGroupFacts, VersionedServiceFacts } from "../model/facts";
import { sortedEntries } from "../model/names";
import type { ShardMap } from "../model/shard-map";
import { type MeshSummary, type MeshSummaryInput, summarizeMesh } from "../model/summary";
import type { MeshNodeFacts } from "../model/topology";
import type { ComputeMeshArgs } from "./compute-mesh";
import {
  attempt,
  below,
  checkDecided,
  checkShape,
  tendingGroup,
  unknownDatabase,
  unknownGroup,
  unknownNode,
  unknownService,
  unknownShardMap,
} from "./compute-mesh-checks";
import { checkServicePool, type PlannedPool, planCosts, planPools } from "./compute-mesh-cloud";
import { type DataLinks, type PlannedGroup, type PlannedStore, planSnapshotGroups } from "./compute-mesh-snapshots";
import { placeShards } from "./compute-mesh-placement";
import type { PlannedMeshNode } from "./compute-mesh-nodes";
import { planMeshNodes } from "./compute-mesh-nodes-plan";
import type { GlooRoutesArgs } from "./gloo-routes";
import { normalizeGlooRoutes } from "./gloo-routes-plan";
import { meshIslandServices } from "./islands-plan";
import type { LocalDbDaemonSetArgs } from "./local-db-daemon-set";
import { normalizeLocalDb } from "./local-db-plan";
import type { ShardedIngestArgs } from "./sharded-ingest";
import { planTopics } from "./sharded-ingest-checks";
import { normalizeShardedIngest } from "./sharded-ingest-plan";
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
  /** What moves against the shard map before, as lines to read; none where that is not known. */
  moves: string[];
  /** The lock file as it should be, where it is to be written. */
  lockText: string | undefined;
  topics: ComputeMeshArgs["topics"];
  /** Sorted by zone: a cloud goes on to the next zone when the last one is done. */
  nodes: PlannedMeshNode[];
  pools: PlannedPool[];
  /** Snapshot stores that the provider makes. */
  stores: PlannedStore[];
  /** What was chosen and what it costs, as lines to read. */
  notes: string[];
  database: Part<LocalDbDaemonSetArgs>;
  ingest: Part<ShardedIngestArgs>;
  snapshotGroups: PlannedGroup[];
  services: (Part<VersionedServiceArgs> & { pool?: string })[];
  /** One, or none where the mesh has no routes. */
  routes: Part<GlooRoutesArgs>[];
  summary: MeshSummary;
}

/**
 * Links and checks everything.
 *
 * @throws MeshInputError with every problem of every part, its path beginning at the args of the mesh
 */
export function normalizeComputeMesh(name: string, args: ComputeMeshArgs): ComputeMeshPlan {
  const problems = new Problems(`computeMesh ${JSON.stringify(name)}`);
  if (!checkShape(problems, name, args)) {
    problems.throwIfAny();
  }
  const namespace = args.namespace ?? name;
  const { nodes, facts, names } = planMeshNodes(problems, name, args);
  const pools = planPools(problems, name, args);
  attempt(
    problems,
    () => checkTopics(args),
    (path) => (path === "shardCount" ? "shards.count" : path),
  );
  const placement = placeShards(problems, args, names, facts);

  // A wrong node, shard or database has a stand-in from here on, so that what follows is checked in the same run. Nothing is made of stand-ins.
  const links = { namespace, nodes: facts.length === 0 ? [unknownNode(name, 0, undefined)] : facts };
  const map = placement?.map ?? unknownShardMap(args.shards.count, links.nodes);
  const data = { ...links, shardMap: map, topics: Object.fromEntries(sortedEntries(args.topics)), kafka: args.kafka };
  const database = { name: `${name}-db`, args: { ...args.database, ...links } };
  checkDecided(problems, "database", args.database, links);
  const databaseFacts = attempt(problems, () => normalizeLocalDb(database.name, database.args).facts, below("database"));
  const db = databaseFacts ?? unknownDatabase;
  const tending = tendingGroup(problems, args);
  const { deadLetterTopic } = args.ingest ?? {};
  const stores: PlannedStore[] = [];
  const groupLinks = { ...data, database: db, ...(deadLetterTopic === undefined ? {} : { deadLetterTopic }) };
  const groups = planSnapshotGroups(problems, name, args, groupLinks, tending, stores);
  const ingest = planIngest(problems, name, args, { ...data, database: db }, groups.find((group) => group.key === tending)?.facts);
  // With so many replicas no number of pods is too small for the stand-in.
  const serviceMap = placement ? map : { ...map, replicas: links.nodes.length };
  const services = planServices(problems, name, args, { ...links, database: db, shardMap: serviceMap }, groups);
  const serviceFacts = services.map((one) => one.facts);
  const routes = planRoutes(problems, name, args, namespace, serviceFacts);
  problems.throwIfAny();
  const { costs, machines, notes } = planCosts(args.nodeProvider, { nodes: nodes.map((node) => node.request), pools, stores });

  return {
    namespace,
    podSecurity: podSecurityOf(args),
    facts,
    shardMap: map,
    moves: placement?.moves ?? [],
    lockText: placement?.lockText,
    topics: data.topics,
    nodes: [...nodes].sort((a, b) => (zoneOf(a) === zoneOf(b) ? 0 : zoneOf(a) < zoneOf(b) ? -1 : 1)),
    pools,
    stores,
    notes,
    database,
    ingest,
    snapshotGroups: groups,
    services,
    routes: routes ? [routes] : [],
    summary: summarizeMesh({
      mesh: name,
      namespace,
      nodes: facts,
      shardMap: map,
      warnings: placement?.warnings ?? [],
      topics: data.topics,
      database: db,
      ingest: ingestSummary(ingest.args),
      snapshotGroups: groups.map((group) => ({ key: group.key, facts: group.facts })),
      services: serviceFacts.filter((one) => one !== undefined),
      routes: routes?.facts.routes ?? [],
      machines,
      costs,
    }),
  };
}

function zoneOf(node: PlannedMeshNode): string {
  return node.request.spec.zone;
}

function checkTopics(args: ComputeMeshArgs): void {
  const problems = new Problems("topics");
  planTopics(problems, args.topics, args.shards.count);
  problems.throwIfAny();
}

type ServiceLinks = Pick<VersionedServiceArgs, "namespace" | "nodes" | "shardMap" | "database">;
interface PlannedService extends Part<VersionedServiceArgs> {
  /** Key of the pool of its gatherers. */
  pool?: string;
  facts: VersionedServiceFacts | undefined;
}

/** @param restoreFrom facts of the group that keeps the databases */
function planIngest(
  problems: Problems,
  name: string,
  args: ComputeMeshArgs,
  links: DataLinks,
  restoreFrom: SnapshotGroupFacts | undefined,
): Part<ShardedIngestArgs> {
  checkDecided(problems, "ingest", args.ingest, links);
  const { restoreFrom: _key, ...own } = args.ingest ?? {};
  // The stock engine knows nothing of it; `tendingGroup` has seen to that.
  const restore = restoreFrom?.tends === true ? { restoreFrom } : {};
  const ingest = { name: `${name}-ingest`, args: { ...own, ...links, ...restore } };
  attempt(problems, () => normalizeShardedIngest(ingest.name, ingest.args), below("ingest", ["topics", "kafka"]));
  return ingest;
}

function ingestSummary(ingest: ShardedIngestArgs): MeshSummaryInput["ingest"] {
  const engine = ingest.engine?.stock === undefined ? "mesh" : "stock";
  return { engine, ...(ingest.restoreFrom === undefined ? {} : { restoreFrom: ingest.restoreFrom.name }) };
}

function planServices(
  problems: Problems,
  name: string,
  args: ComputeMeshArgs,
  links: ServiceLinks,
  groups: PlannedGroup[],
): PlannedService[] {
  const groupKeys = Object.keys(args.snapshots ?? {});
  const services = sortedEntries(args.services ?? {}).map(([key, given]) => ({ key, path: keyPath("services", key), given }));
  const islands = meshIslandServices(args.routes, groupKeys);
  islands
    .filter(({ key }) => services.some((one) => one.key === key))
    .forEach(({ key, path }) => problems.add(path, key, "another name is needed: a service of the mesh has this one"));
  return [...services, ...islands].map(({ key, path, given: { snapshotGroup, pool, ...own } }) => {
    checkServicePool(problems, path, pool, args, own.answers);
    checkDecided(problems, path, own, { ...links, shardMap: undefined, serviceName: key });
    const group = groups.find((one) => one.key === snapshotGroup);
    if (!group) {
      const known = groupKeys.join(", ") || "none";
      problems.add(joinPath(path, "snapshotGroup"), snapshotGroup, `the key of a snapshot group is allowed; there are: ${known}`);
    }
    const facts = group?.facts ?? unknownGroup("unknown", undefined, own);
    const part = { name: `${name}-service-${key}`, args: { ...own, ...links, serviceName: key, snapshotGroup: facts } };
    const service = attempt(problems, () => normalizeVersionedService(part.name, part.args).facts, below(path));
    return { ...part, ...(pool === undefined ? {} : { pool }), facts: service ?? unknownService(key, own, facts) };
  });
}

function planRoutes(
  problems: Problems,
  name: string,
  args: ComputeMeshArgs,
  namespace: string,
  services: readonly (VersionedServiceFacts | undefined)[],
): (Part<GlooRoutesArgs> & { facts: ReturnType<typeof normalizeGlooRoutes>["facts"] }) | undefined {
  checkDecided(problems, "routes", args.routes, { namespace, services });
  const facts = services.filter((one) => one !== undefined);
  // Without the versions of a service every route to it would be reported as well.
  if (!args.routes || facts.length < services.length) {
    return undefined;
  }
  const part = { name: `${name}-routes`, args: { ...args.routes, namespace, services: facts } };
  const routes = attempt(problems, () => normalizeGlooRoutes(part.name, part.args).facts, below("routes"));
  return routes && { ...part, facts: routes };
}

/** https://kubernetes.io/docs/concepts/security/pod-security-standards: `restricted` knows no NFS volumes, only `privileged` knows hostPath. */
function podSecurityOf(args: ComputeMeshArgs): ComputeMeshPlan["podSecurity"] {
  const { storage, backingStore } = args.database ?? {};
  const stores = Object.values(args.snapshots ?? {}).map((group) => group.store);
  if (storage?.nodeDisk ?? backingStore?.hostPath ?? stores.some((store) => store.nodeDirectory)) {
    return "privileged";
  }
  return (backingStore?.nfs ?? stores.some((store) => store.nfs)) ? "baseline" : "restricted";
}
