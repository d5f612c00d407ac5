/**
 * Islands: many instances of one type ("Type A"), each with its own Services behind its own matcher.
 *
 * A type says its Services and its routes once, as if it were alone; an instance adds the matcher that leads to it. No request can reach two instances.
 */
import type { MergeArgs } from "./answers";
import type { WeightedDestination } from "./route-destination-types";
import type { MeshRoute } from "./route-types";

/** A Kubernetes Service of every instance; that of the instance `eu-1` is `eu-1-<name>`. */
export interface IslandService {
  /** A DNS label. */
  name: string;
  port: number;
}

/** One version of a workload, the same in every instance. */
export interface IslandVersion {
  /** Container image with a tag or a digest. */
  image: string;
  /** Snapshot ids that this version answers for, each kept by the snapshot group. */
  snapshots: string[];
  /** Share of the requests that name no version. Default: 1. */
  weight?: number;
  /** Environment on top of what every pod has; `MESH_ISLAND` is the name of the instance. */
  env?: Record<string, string>;
  command?: string[];
  args?: string[];
}

/**
 * A versioned service of every instance; that of the instance `eu-1` is the service `eu-1-<name>`. What all instances share comes from where they are deployed:
 * namespace, nodes, database, shard map.
 */
export interface IslandWorkload {
  /** A DNS label, other than those of the type's Services. */
  name: string;
  /** Name of the snapshot group whose snapshots the versions are bound to. Default: the only one. */
  snapshotGroup?: string;
  /** By name. */
  versions: Record<string, IslandVersion>;
  port: number;
  readinessPath?: string;
  /** Where the pods run, one of these. Default: one on every mesh node. */
  placement?: { daemonSet?: { maxUnavailable?: number }; statefulSet?: { replicas: number } };
  waitForSnapshot?: boolean;
  awaitReady?: boolean;
  /** Global answers: a gatherer for every version and snapshot of the instance. */
  answers?: { merge: Record<string, MergeArgs>; replicas?: number };
  cpu?: string;
  memory?: string;
}

/** One destination of a relative route: a Service or workload of the instance itself, or anything that other routes can go to. */
export interface IslandDestination extends WeightedDestination {
  /** Name of a Service or a workload of the type. */
  own?: string;
  /** Of the workload that `own` names. Default: all by their weights, or the one that the match names. */
  version?: string;
  /** Of the workload that `own` names. Default: the one that the match names. */
  snapshot?: string;
}

/** A route as seen from inside: its paths start at the instance. */
export interface IslandRoute extends Omit<MeshRoute, "to" | "hosts"> {
  to?: IslandDestination[];
}

/** What leads to an instance; all members must hold, and at least one is there. Instances beside each other must differ so that no request fits two. */
export interface IslandMatch {
  /** Host names of the instance alone. */
  hosts?: string[];
  /** Path by whole elements, put before the paths of the type's routes. */
  prefix?: string;
  /** Headers with exactly these values. */
  headers?: Record<string, string>;
  /** Query parameters with exactly these values. */
  query?: Record<string, string>;
}

/** What all instances have in common. */
export interface IslandType {
  /** Unique, a DNS label. */
  name: string;
  /** Services that somebody else deploys. Default: none. */
  services?: IslandService[];
  /** Versioned services that are deployed once for every instance. Default: none. */
  workloads?: IslandWorkload[];
  routes: IslandRoute[];
  /** Instances inside every instance of this type. */
  islands?: Island[];
}

/** One instance. */
export interface Island {
  /** A DNS label, unique beside its siblings; those inside another are named `<outer>-<inner>`. */
  name: string;
  /** Name of its type. */
  type: string;
  match: IslandMatch;
  /** Takes the prefix away before the request goes on, so that every instance sees the paths of its type. Default: false. */
  stripPrefix?: boolean;
}
