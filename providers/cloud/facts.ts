/** What all clouds say of their nodes alike. */
import * as pulumi from "@pulumi/pulumi";
import { meshLabel, nodeLabel } from "../../src/kubernetes/labels";
import type { MeshNodeFacts } from "../../src/model/topology";
import { architectureLabel, osLabel, poolSelector, regionLabel, zoneLabel } from "../node-spec";
import type { MeshNodeHandle, MeshNodeRequest, NodePoolHandle, NodePoolRequest } from "../provider";

/** Where a node lies. */
export interface NodePlace {
  /** Name of the provider. */
  provider: string;
  cluster: string;
  region: string;
  /** The zone as the cloud's own label `topology.kubernetes.io/zone` says it. Default: that of the spec. */
  zone?: string;
}

/** The facts of a mesh node: it is known by its label, because a machine that dies comes back under another name. */
export function cloudNodeFacts(request: MeshNodeRequest, place: NodePlace): MeshNodeFacts {
  const zone = place.zone ?? request.spec.zone;
  return {
    name: request.nodeName,
    zone,
    region: place.region,
    cluster: place.cluster,
    provider: place.provider,
    weight: request.weight,
    selector: { [meshLabel]: request.mesh },
    labels: {
      ...meshNodeLabels(request),
      [zoneLabel]: zone,
      [regionLabel]: place.region,
      [architectureLabel]: request.spec.architecture ?? "amd64",
      [osLabel]: "linux",
    },
    taints: request.spec.taints ?? [],
  };
}

/** The labels that a cloud's group of one gives to its machine; zone, region and the like come from the cloud itself. */
export function meshNodeLabels(request: MeshNodeRequest): Record<string, string> {
  return { ...request.spec.labels, [nodeLabel]: request.nodeName, [meshLabel]: request.mesh };
}

/** The labels that a cloud's pool gives to its machines. */
export function poolLabels(request: NodePoolRequest): Record<string, string> {
  return { ...request.spec.labels, ...poolSelector(request) };
}

/** A mesh node that is there already and carries its label; nothing is made. */
export function adoptedNode(): MeshNodeHandle {
  return { kubernetesNodeName: pulumi.output(undefined), providerId: pulumi.output(undefined), ready: pulumi.output(true) };
}

/** A pool that is there already and carries its label; nothing is made. */
export function adoptedPool(request: NodePoolRequest): NodePoolHandle {
  return { selector: poolSelector(request), taints: request.spec.taints ?? [], ready: pulumi.output(true) };
}
