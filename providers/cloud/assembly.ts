/** A node provider from the parts that differ from cloud to cloud. */
import type * as pulumi from "@pulumi/pulumi";
import { joinPath, Problems, type InputProblem } from "../../src/model/errors";
import type { Taint } from "../../src/model/topology";
import { checkNodeRequest, checkPoolRequest } from "../node-spec";
import type {
  ChildOptions,
  CloudStoreKind,
  ClusterHandle,
  CostRequest,
  MeshNodeHandle,
  MeshNodeRequest,
  NodePoolHandle,
  NodePoolRequest,
  NodePoolSpec,
  NodeProvider,
  SnapshotStoreHandle,
  SnapshotStoreRequest,
} from "../provider";
import { cloudCosts, type FixedCosts } from "./costs";
import { adoptedNode, adoptedPool, cloudNodeFacts } from "./facts";
import type { InstanceChoice } from "./instance-choice";
import { Kept } from "./kept";
import { checkRegion, checkZone, type ZoneRules } from "./zones";

/** What one cloud brings; `Cluster` is what its nodes, pools and stores need to know of the cluster. */
export interface CloudParts<Cluster extends { handle: ClusterHandle }> {
  /** For example `gcp`; errors speak of `gcpProvider`. */
  name: string;
  region: string;
  /** Name of the cluster in facts; plain. */
  clusterName: string;
  /** Whether nodes and pools are there already. */
  adopts: boolean;
  zones: ZoneRules;
  /** Notes what is wrong with a zone of the region where machines are made, for example that it has no subnet. Default: nothing is. */
  checkZone?(problems: Problems, path: string, zone: string): void;
  storeKind: CloudStoreKind;
  /** The machine of a spec. */
  machineOf(spec: NodePoolSpec): InstanceChoice;
  /** All taints of a machine, those that the cloud sets by itself too. Default: those of the spec. */
  taintsOf?(spec: NodePoolSpec): Taint[];
  /** What is wrong with a spec on this cloud alone; paths begin with `spec`. */
  checkMachine(spec: NodePoolSpec): InputProblem[];
  checkStore(request: SnapshotStoreRequest): InputProblem[];
  fixedCosts(): FixedCosts;
  createCluster(name: string, opts: pulumi.CustomResourceOptions): Cluster;
  createNode(name: string, request: MeshNodeRequest, cluster: Cluster, opts: ChildOptions): MeshNodeHandle;
  createPool(name: string, request: NodePoolRequest, cluster: Cluster, opts: ChildOptions): NodePoolHandle;
  createStore(name: string, request: SnapshotStoreRequest, cluster: Cluster, opts: ChildOptions): SnapshotStoreHandle;
}

/** Puts the parts together: checks before anything is made, adoption in place of making, and the cluster before what lies in it. */
export function cloudProvider<Cluster extends { handle: ClusterHandle }>(parts: CloudParts<Cluster>): NodeProvider {
  const kept = new Kept<Cluster>(`${parts.name}Provider`);
  const taintsOf = (spec: NodePoolSpec): Taint[] => parts.taintsOf?.(spec) ?? spec.taints ?? [];
  const place = { provider: parts.name, cluster: parts.clusterName, region: parts.region };
  return {
    name: parts.name,
    snapshotStoreKind: parts.storeKind,
    check: (request) => checkNode(parts, request),
    facts: (request) => ({ ...cloudNodeFacts(request, place), taints: taintsOf(request.spec) }),
    describe: ({ spec }) => (parts.adopts ? "a node that is there already" : parts.machineOf(spec).explanation),
    costs: (request) => costs(parts, request),
    createCluster: (name, opts) => kept.keep(name, () => parts.createCluster(name, opts ?? {})).handle,
    createNode: (name, request, opts) => {
      const cluster = kept.get("createNode", name);
      return parts.adopts ? adoptedNode() : parts.createNode(name, request, cluster, opts);
    },
    checkPool: (request) => checkPool(parts, request),
    createPool: (name, request, opts) => {
      const cluster = kept.get("createPool", name);
      return parts.adopts ? { ...adoptedPool(request), taints: taintsOf(request.spec) } : parts.createPool(name, request, cluster, opts);
    },
    checkSnapshotStore: (request) => parts.checkStore(request),
    createSnapshotStore: (name, request, opts) => parts.createStore(name, request, kept.get("createSnapshotStore", name), opts),
  };
}

type CheckedParts = Pick<CloudParts<{ handle: ClusterHandle }>, "region" | "zones" | "checkZone" | "adopts" | "checkMachine">;

function checkNode(parts: CheckedParts, request: MeshNodeRequest): InputProblem[] {
  const problems = new Problems("node");
  problems.addAll("", checkNodeRequest(request));
  if (!problems.any) {
    checkPlace(problems, parts, "spec.zone", request.spec.zone);
    checkSpec(problems, parts, request.spec);
  }
  return [...problems.all];
}

function checkPool(parts: CheckedParts, request: NodePoolRequest): InputProblem[] {
  const problems = new Problems("pool");
  problems.addAll("", checkPoolRequest(request));
  if (!problems.any) {
    request.zones.forEach((zone, index) => checkPlace(problems, parts, joinPath("zones", index), zone));
    checkSpec(problems, parts, request.spec);
  }
  return [...problems.all];
}

function checkPlace(problems: Problems, parts: CheckedParts, path: string, zone: string): void {
  checkZone(problems, path, zone, parts.region, parts.zones);
  if (!parts.adopts && parts.zones.belongs(zone, parts.region)) {
    parts.checkZone?.(problems, path, zone);
  }
}

function checkSpec(problems: Problems, parts: CheckedParts, spec: NodePoolSpec): void {
  checkRegion(problems, "spec.region", spec.region, parts.region);
  // Of machines that are there already, nothing is chosen.
  if (!parts.adopts) {
    problems.addAll("", parts.checkMachine(spec));
  }
}

function costs(
  parts: Pick<CloudParts<{ handle: ClusterHandle }>, "adopts" | "machineOf" | "fixedCosts">,
  request: CostRequest,
): ReturnType<typeof cloudCosts> {
  return cloudCosts((spec) => parts.machineOf(spec), parts.adopts ? { ...request, nodes: [], pools: [] } : request, parts.fixedCosts());
}
