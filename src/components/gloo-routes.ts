import * as k8s from "@pulumi/kubernetes";
import * as pulumi from "@pulumi/pulumi";
import { createChild, orFail, type ChildTransform } from "../kubernetes/children";
import { isObject } from "../model/checks";
import type { GlooRoutesFacts, RoutesSpec } from "../model/routes";
import { routesObjects, type RoutesChild } from "./gloo-routes-objects";
import { claimHosts } from "./gloo-routes-owners";
import { normalizeGlooRoutes } from "./gloo-routes-plan";

/** A gateway that is there already. */
export interface ExistingGateway {
  name: string;
  /** Default: the namespace of the routes. */
  namespace?: string;
}

/** A gateway of our own. */
export interface NewGateway {
  /**
   * Gateway API: name of the GatewayClass, default `kgateway`. Gloo: name of the proxy, default `gateway-proxy`. Istio: value of the label `istio` of the
   * gateway's pods, default `ingressgateway`.
   */
  className?: string;
  /** Port of its plain HTTP listener. Default: 8080. Gloo's own Gateway takes 8080 of `gateway-proxy`, so another one is needed there. */
  port?: number;
  /** Port of its HTTPS listeners, where hosts have certificates (`tls`). Default: 8443. */
  httpsPort?: number;
}

/** Which gateway serves the routes: exactly one of these. */
export interface RoutesGatewayArgs {
  /**
   * Gateway API: it must allow routes of this namespace. Gloo: it must select the VirtualService, by namespace or by its label
   * `compute-mesh.dev/component: <name>`; the Gateway of a plain installation selects all.
   */
  existing?: ExistingGateway;
  create?: NewGateway;
}

/** Raw overrides of the children. */
export interface GlooRoutesTransforms {
  /** The Gateway, where one is created. */
  gateway?: ChildTransform<k8s.apiextensions.CustomResourceArgs>;
  /** Each VirtualService or HTTPRoute. */
  routes?: ChildTransform<k8s.apiextensions.CustomResourceArgs>;
  /** Everything else: policies, Backends, Upstreams, ReferenceGrants. */
  other?: ChildTransform<k8s.apiextensions.CustomResourceArgs>;
}

/** The routes, and where they are served. */
export interface GlooRoutesArgs extends RoutesSpec {
  /** Namespace of the routes; that of the versioned services. */
  namespace: pulumi.Input<string>;
  /**
   * Default: a new Gateway for `gatewayApi` and `istio`; the Gateway `gateway-proxy` in `gloo-system`, which every Gloo installation has, for `gloo`. Gloo
   * compares the port in the Host header as well, unless its Gateway strips it.
   */
  gateway?: RoutesGatewayArgs;
  transforms?: GlooRoutesTransforms;
}

/**
 * Routes into the mesh, checked before anything is deployed, then emitted for the Gateway API or for Gloo with one meaning.
 *
 * A route names paths, methods, headers, and the mesh's own dimensions: snapshot, version, shard. A destination that names no version is spread over all
 * versions bound to the snapshot by their weights, so that a canary is said once, where the service is. Two routes that take the same request with equal
 * precedence are an error, with the request that proves it. A request that names a snapshot is answered from it, or not at all.
 *
 * Costs one Gateway (unless it exists) and one HTTPRoute or VirtualService, more HTTPRoutes above 16 rules or 128 matches; and small policy objects for
 * what routes ask for beside matching (docs/routes.md says what each target can do).
 *
 * @example
 * const edge = new GlooRoutes("edge", {
 *   namespace: "mesh",
 *   hosts: ["mesh.example.com"],
 *   services: [prices.facts],
 *   routes: [{ name: "prices", match: [{ prefix: "/prices", snapshot: "20261121t0600z" }], to: [{ service: { service: "prices" } }] }],
 * });
 */
export class GlooRoutes extends pulumi.ComponentResource {
  /** The host names; plain, known in preview. */
  public readonly hosts: string[];
  /** Every outcome with its destination and a request that takes it; plain, known in preview. */
  public readonly facts: GlooRoutesFacts;
  /** Name of the gateway that serves the routes. */
  public readonly gatewayName: pulumi.Output<string>;

  public constructor(name: string, args: GlooRoutesArgs, opts?: pulumi.ComponentResourceOptions) {
    super("compute-mesh:index:GlooRoutes", name, shownArgs(args), opts);
    const plan = orFail(this, () => normalizeGlooRoutes(name, args));
    orFail(this, () => claimHosts(this, name, plan, args.namespace));
    plan.notices.forEach((notice) => void pulumi.log.warn(notice, this));
    const children = routesObjects(name, plan, args).map((child) => ({
      child,
      resource: createObject(this, name, child, args.transforms),
    }));
    const gateway = children.find(({ child }) => child.kind === "gateway")?.resource;

    this.hosts = plan.table.hosts;
    this.facts = plan.facts;
    this.gatewayName = gateway?.metadata.name ?? pulumi.output(plan.gateway.name);
    this.registerOutputs({ hosts: this.hosts, facts: this.facts, gatewayName: this.gatewayName });
  }
}

/** Functions are no inputs: Pulumi would record them as text. */
function shownArgs(args: GlooRoutesArgs): pulumi.Inputs {
  if (!isObject(args)) {
    return {};
  }
  const { transforms: _transforms, ...shown } = args;
  return shown;
}

/** CustomResource alone demands its args; `createChild` is made for the generated classes, whose args are optional. */
const customResource = k8s.apiextensions.CustomResource as new (
  name: string,
  args: k8s.apiextensions.CustomResourceArgs | undefined,
  opts?: pulumi.CustomResourceOptions,
) => k8s.apiextensions.CustomResource;

function createObject(
  parent: GlooRoutes,
  name: string,
  { part, kind, object }: RoutesChild,
  transforms: GlooRoutesTransforms | undefined,
): k8s.apiextensions.CustomResource {
  const { apiVersion, kind: resourceKind, metadata, spec } = object;
  const args: k8s.apiextensions.CustomResourceArgs = { apiVersion, kind: resourceKind, metadata, spec };
  return createChild(customResource, `${name}-${part}`, args, { parent }, transforms?.[kind]);
}
