/** The args of GlooRoutes, checked; plain values only. */
import { checkComponentName, checkInteger, checkKnownKeys, checkObject, exactlyOne } from "../model/checks";
import { joinPath, Problems } from "../model/errors";
import { throwLocated } from "../mesh-file";
import { dnsName } from "../model/names";
import { checkNamespace } from "../model/route-destinations";
import { gatewayClasses, glooGateway } from "../model/route-owners";
import {
  compileRoutes,
  routeNotices,
  routesFacts,
  RouteTarget,
  type GlooRoutesFacts,
  type RouteTable,
  unroutedNotices,
} from "../model/routes";
import type { ExistingGateway, GlooRoutesArgs, NewGateway, RoutesGatewayArgs } from "./gloo-routes";

/** What `normalizeGlooRoutes` makes of the args; plain. */
export interface GlooRoutesPlan {
  target: RouteTarget;
  gateway: { name: string; namespace?: string; create?: Required<NewGateway> };
  table: RouteTable;
  facts: GlooRoutesFacts;
  /** What means a little less with the target than it says, and snapshots that no route leads to. */
  notices: string[];
}

const argKeys = [
  "namespace",
  "hosts",
  "target",
  "gateway",
  "dimensions",
  "services",
  "routes",
  "islandTypes",
  "islands",
  "latest",
  "upstreams",
  "tls",
  "grants",
  "kubernetesServices",
  "transforms",
];

/** Where routes go if nothing is said: what every installation of the target has, or a gateway of our own. */
const defaultGateways: Record<RouteTarget, RoutesGatewayArgs> = {
  gatewayApi: { create: {} },
  gloo: { existing: glooGateway },
  istio: { create: {} },
};

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
  const table = compileRoutes(problems, args);
  if (table.tls.length > 0 && gateway.create === undefined) {
    problems.add("tls", table.tls.length, "certificates belong to a gateway of our own (`gateway.create`); one that exists has its own");
  }
  throwLocated(problems, args);
  const notices = [...routeNotices(table, target), ...unroutedNotices(table, args.services)];
  return { target, gateway, table, facts: routesFacts(name, table), notices };
}

function normalizeGateway(
  problems: Problems,
  name: string,
  target: RouteTarget,
  given: RoutesGatewayArgs | undefined,
): GlooRoutesPlan["gateway"] {
  const known = Object.values(RouteTarget).includes(target) ? target : RouteTarget.GatewayApi;
  const chosen: unknown = given ?? defaultGateways[known];
  const defaults = { name: dnsName(name, "gateway"), create: { className: gatewayClasses[known], port: 8080, httpsPort: 8443 } };
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
  checkKnownKeys(problems, path, value, ["className", "port", "httpsPort"]);
  const { className, port, httpsPort } = { ...defaults.create, ...value };
  checkObjectName(problems, joinPath(path, "className"), className);
  checkInteger(problems, joinPath(path, "port"), port, { min: 1, max: 65535 });
  checkInteger(problems, joinPath(path, "httpsPort"), httpsPort, { min: 1, max: 65535 });
  if (port === httpsPort) {
    problems.add(joinPath(path, "httpsPort"), httpsPort, "another port than that of plain HTTP is needed");
  }
  return { name: defaults.name, create: { className: String(className), port: Number(port), httpsPort: Number(httpsPort) } };
}

function normalizeExisting(problems: Problems, path: string, value: Partial<ExistingGateway>): GlooRoutesPlan["gateway"] {
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
