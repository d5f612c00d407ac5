/**
 * Islands: many instances of one type ("Type A"), each with its own Services behind its own matcher.
 *
 * A type says its Services and its routes once, as if it were alone; an instance adds the matcher that leads to it. No request can reach two instances.
 */
import type { WeightedDestination } from "./route-destination-types";
import type { MeshRoute } from "./route-types";

/** A Kubernetes Service of every instance; that of the instance `eu-1` is `eu-1-<name>`. */
export interface IslandService {
  /** A DNS label. */
  name: string;
  port: number;
}

/** One destination of a relative route: a Service of the instance itself, or anything that other routes can go to. */
export interface IslandDestination extends WeightedDestination {
  /** Name of a Service of the type. */
  own?: string;
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
  services: IslandService[];
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
