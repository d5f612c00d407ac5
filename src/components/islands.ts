import * as pulumi from "@pulumi/pulumi";
import { orFail } from "../kubernetes/children";
import { nodeNames } from "../kubernetes/shown-args";
import type { LocalDbFacts, SnapshotGroupFacts, VersionedServiceFacts } from "../model/facts";
import type { Island, IslandType } from "../model/island-types";
import type { ShardMap } from "../model/shard-map";
import type { MeshNodeFacts } from "../model/topology";
import { normalizeIslands } from "./islands-plan";
import { VersionedService, type VersionedServiceTransforms } from "./versioned-service";

export interface IslandsArgs {
  /** Namespace of all objects; that of the database, too. */
  namespace: pulumi.Input<string>;
  /** Types with their workloads; the same list as that of the routes. */
  islandTypes: IslandType[];
  /** Instances of these types; the same list as that of the routes. */
  islands: Island[];
  /** The mesh nodes that the pods run on. */
  nodes: MeshNodeFacts[];
  /** The snapshot groups that workloads are bound to, by the names that they give. */
  snapshotGroups: SnapshotGroupFacts[];
  /** The database of the pod's own node. Default: none. */
  database?: LocalDbFacts;
  /** Which mesh node owns which shard. Default: none; needed where workloads have answers or wait for their snapshot. */
  shardMap?: ShardMap;
  /** Image of the programs that wait for snapshots and gather answers. Default: that of this package's version. */
  agentImage?: string;
  /** Raw changes of the children of every versioned service. */
  transforms?: VersionedServiceTransforms;
}

/**
 * The workloads of islands: one VersionedService for every workload of every instance, named `<instance>-<workload>`, all beside the same data.
 *
 * An instance comes and goes by one line in `islands`, without touching the others. GlooRoutes gets the same two lists, and `facts` among its services: it
 * proves that no request reaches two instances. Pods find the name of their instance in `MESH_ISLAND`.
 *
 * Costs what its versioned services cost: per instance and workload three objects for each (version, snapshot), and more with answers.
 *
 * @example
 * const { islandTypes = [], islands = [] } = readMeshFile("mesh.yaml");
 * const cells = new Islands("cells", { namespace, islandTypes, islands, nodes, shardMap, database: db.facts, snapshotGroups: [hourly.facts] });
 * new GlooRoutes("edge", { namespace, hosts: ["mesh.example.com"], routes: [], islandTypes, islands, services: cells.facts });
 */
export class Islands extends pulumi.ComponentResource {
  /** The services of all instances, for the routes; plain, known in preview. */
  public readonly facts: VersionedServiceFacts[];
  /** Resolves to true when every pod is ready and every Service is there; to false where an update does not wait for them. */
  public readonly ready: pulumi.Output<boolean>;

  public constructor(name: string, args: IslandsArgs, opts?: pulumi.ComponentResourceOptions) {
    super("compute-mesh:index:Islands", name, shownArgs(args), opts);
    const planned = orFail(this, () => normalizeIslands(name, args));
    const services = planned.map((island) => new VersionedService(island.name, island.args, { parent: this }));
    this.facts = planned.map(({ facts }) => facts);
    this.ready = pulumi.all(services.map(({ ready }) => ready)).apply((all) => all.every(Boolean));
    this.registerOutputs({ facts: this.facts, ready: this.ready });
  }
}

/** The args as they are kept in the state: without functions. */
function shownArgs({ transforms: _transforms, nodes, ...shown }: IslandsArgs): pulumi.Inputs {
  return { ...shown, nodes: nodeNames(nodes) };
}
