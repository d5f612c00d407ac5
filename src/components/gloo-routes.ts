import * as k8s from "@pulumi/kubernetes";
import * as pulumi from "@pulumi/pulumi";
import { createChild, orFail, type ChildTransform } from "../kubernetes/children";
import type { CustomObject } from "../kubernetes/custom-resources";
import { checkComponentName, checkInteger, checkKnownKeys, checkObject, exactlyOne, isObject } from "../model/checks";
import { joinPath, Problems } from "../model/errors";
import type { VersionedServiceFacts } from "../model/facts";
import { dnsName } from "../model/names";
import { checkNamespace } from "../model/route-destinations";
import {
  compileRoutes,
  routesFacts,
  RouteTarget,
  type GlooRoutesFacts,
  type MeshRoute,
  type RouteDimensions,
  type RouteTable,
} from "../model/routes";
import { emitGateway, emitHttpRoutes } from "../routing/gateway-api";
import { emitGlooGateway, emitVirtualService } from "../routing/gloo";

/** A gateway that is there already. */
export interface ExistingGateway {
  name: string;
  /** Default: the namespace of the routes. */
  namespace?: string;
}

/** A gateway of our own. */
export interface NewGateway {
  /** Gateway API: name of the GatewayClass, default `kgateway`. Gloo: name of the proxy, default `gateway-proxy`. */
  className?: string;
  /** Port of its plain HTTP listener. Default: 8080. Gloo's own Gateway takes 8080 of `gateway-proxy`, so another one is needed there. */
  port?: number;
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
  /** The VirtualService, or each HTTPRoute. */
  routes?: ChildTransform<k8s.apiextensions.CustomResourceArgs>;
}

export interface GlooRoutesArgs {
  /** Namespace of the routes; that of the versioned services. */
  namespace: pulumi.Input<string>;
  /** Host names; `*.example.com` takes all names below it, a lone `*` every host. Gloo compares the port in the Host header as well, unless its Gateway strips it. */
  hosts: string[];
  /** Default: `gatewayApi`. */
  target?: RouteTarget;
  /** Default: a new Gateway for `gatewayApi`; the Gateway `gateway-proxy` in `gloo-system`, which every Gloo installation has, for `gloo`. */
  gateway?: RoutesGatewayArgs;
  /** Where requests name a snapshot, a version and a shard. Default: the headers `x-mesh-snapshot`, `x-mesh-version` and `x-mesh-shard`. */
  dimensions?: RouteDimensions;
  /** Facts of the versioned services that routes go to. */
  services: VersionedServiceFacts[];
  /** The routes. Their order never counts: an exact path goes before a prefix, a long prefix before a short one, then a method, more headers, more query parameters. */
  routes: MeshRoute[];
  transforms?: GlooRoutesTransforms;
}

/**
 * Routes into the mesh, checked before anything is deployed, then emitted for the Gateway API or for Gloo with one meaning.
 *
 * A route names paths, methods, headers, and the mesh's own dimensions: snapshot, version, shard. A destination that names no version is spread over all
 * versions bound to the snapshot by their weights, so that a canary is said once, where the service is. Two routes that take the same request with equal
 * precedence are an error, with the request that proves it.
 *
 * Costs one Gateway (unless it exists) and one HTTPRoute or VirtualService; more HTTPRoutes only above 16 rules or 128 matches.
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
    const gateway = createGateway(this, name, plan, args);
    createRoutes(this, name, plan, args);

    this.hosts = plan.model.hosts;
    this.facts = plan.facts;
    this.gatewayName = gateway?.metadata.name ?? pulumi.output(plan.gateway.name);
    this.registerOutputs({ hosts: this.hosts, facts: this.facts, gatewayName: this.gatewayName });
  }
}

/** What `normalizeGlooRoutes` makes of the args; plain. */
export interface GlooRoutesPlan {
  target: RouteTarget;
  gateway: { name: string; namespace?: string; create?: Required<NewGateway> };
  model: RouteTable;
  facts: GlooRoutesFacts;
}

const argKeys = ["namespace", "hosts", "target", "gateway", "dimensions", "services", "routes", "transforms"];

/**
 * Checks the args and compiles the routes.
 *
 * @throws MeshInputError with every problem
 */
export function normalizeGlooRoutes(name: string, args: GlooRoutesArgs): GlooRoutesPlan {
  const problems = new Problems(`glooRoutes "${name}"`);
  checkComponentName(problems, name);
  checkKnownKeys(problems, "", args, argKeys);
  if (args.namespace === undefined) {
    problems.add("namespace", undefined, "the namespace of the versioned services is needed");
  }
  const target = args.target ?? RouteTarget.GatewayApi;
  const gateway = normalizeGateway(problems, name, target, args.gateway);
  const model = compileRoutes(problems, args);
  problems.throwIfAny();
  return { target, gateway, model, facts: routesFacts(name, model) };
}

function normalizeGateway(
  problems: Problems,
  name: string,
  target: RouteTarget,
  given: RoutesGatewayArgs | undefined,
): GlooRoutesPlan["gateway"] {
  const isGloo = target === RouteTarget.Gloo;
  const fallback: RoutesGatewayArgs = isGloo ? { existing: { name: "gateway-proxy", namespace: "gloo-system" } } : { create: {} };
  const chosen: unknown = given ?? fallback;
  const defaults = { name: dnsName(name, "gateway"), create: { className: isGloo ? "gateway-proxy" : "kgateway", port: 8080 } };
  if (!checkObject(problems, "gateway", chosen)) {
    return defaults;
  }
  checkKnownKeys(problems, "gateway", chosen, ["existing", "create"]);
  const kind = exactlyOne(problems, "gateway", chosen, ["existing", "create"]);
  const path = joinPath("gateway", kind ?? "");
  const value = kind === undefined ? undefined : chosen[kind];
  if (value === undefined || !checkObject(problems, path, value)) {
    return defaults;
  }
  if (kind === "existing") {
    return normalizeExisting(problems, path, value);
  }
  checkKnownKeys(problems, path, value, ["className", "port"]);
  const { className = defaults.create.className, port = defaults.create.port } = value;
  checkObjectName(problems, joinPath(path, "className"), className);
  checkInteger(problems, joinPath(path, "port"), port, { min: 1, max: 65535 });
  return { name: defaults.name, create: { className: String(className), port: Number(port) } };
}

function normalizeExisting(problems: Problems, path: string, value: Record<string, unknown>): GlooRoutesPlan["gateway"] {
  checkKnownKeys(problems, path, value, ["name", "namespace"]);
  const { name, namespace } = value;
  checkObjectName(problems, joinPath(path, "name"), name);
  checkNamespace(problems, joinPath(path, "namespace"), namespace);
  return { name: String(name), ...(typeof namespace === "string" ? { namespace } : {}) };
}

/** Names of gateways and classes are RFC 1123 subdomains. */
function checkObjectName(problems: Problems, path: string, given: unknown): void {
  if (
    typeof given !== "string" ||
    given.length > 253 ||
    !/^[a-z0-9](?:[-a-z0-9]*[a-z0-9])?(?:\.[a-z0-9](?:[-a-z0-9]*[a-z0-9])?)*$/.test(given)
  ) {
    problems.add(
      path,
      given,
      "the name of a Kubernetes object is allowed: lower-case letters, digits, hyphens and dots, at most 253 characters",
    );
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

function createGateway(
  parent: GlooRoutes,
  name: string,
  plan: GlooRoutesPlan,
  args: GlooRoutesArgs,
): k8s.apiextensions.CustomResource | undefined {
  const { create } = plan.gateway;
  if (create === undefined) {
    return undefined;
  }
  const context = { name, namespace: args.namespace };
  const object =
    plan.target === RouteTarget.Gloo
      ? emitGlooGateway(context, create.className, create.port)
      : emitGateway(context, create.className, create.port);
  return createObject(parent, `${name}-gateway`, object, args.transforms?.gateway);
}

function createRoutes(parent: GlooRoutes, name: string, plan: GlooRoutesPlan, args: GlooRoutesArgs): void {
  const context = { name, namespace: args.namespace };
  if (plan.target === RouteTarget.Gloo) {
    createObject(parent, `${name}-routes`, emitVirtualService(context, plan.model), args.transforms?.routes);
    return;
  }
  const { name: gatewayName, namespace } = plan.gateway;
  for (const { key, object } of emitHttpRoutes(context, plan.model, { name: gatewayName, namespace })) {
    createObject(parent, key === "" ? `${name}-routes` : `${name}-routes-${key}`, object, args.transforms?.routes);
  }
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
  { apiVersion, kind, metadata, spec }: CustomObject<pulumi.Input<string>, unknown>,
  transform?: ChildTransform<k8s.apiextensions.CustomResourceArgs>,
): k8s.apiextensions.CustomResource {
  const args: k8s.apiextensions.CustomResourceArgs = { apiVersion, kind, metadata, spec };
  return createChild(customResource, name, args, { parent }, transform);
}
