/** Whether a Gateway and its routes are served as they are written, from their status and from what Envoy took. Pure. */
import type { GatewayName } from "./envoy";

interface Condition {
  type: string;
  status: string;
  reason?: string;
  message?: string;
  observedGeneration?: number;
}

interface ParentRef {
  name: string;
  namespace?: string;
}

/** What counts of a Gateway, a GatewayClass, an HTTPRoute, a Backend or a policy. */
export interface StatusObject {
  kind?: string;
  metadata: { name: string; namespace?: string; generation?: number };
  spec?: { parentRefs?: ParentRef[] };
  status?: {
    conditions?: Condition[];
    listeners?: { name: string; conditions?: Condition[] }[];
    parents?: { parentRef: ParentRef; conditions?: Condition[] }[];
    ancestors?: { ancestorRef: { name: string; namespace?: string }; conditions?: Condition[] }[];
  };
}

/** What is looked at. */
export interface GatewayFindings {
  gateway: GatewayName;
  /** Undefined where it does not exist. */
  object: StatusObject | undefined;
  /** HTTPRoutes of every namespace; those of other Gateways are passed over. */
  routes: readonly StatusObject[];
  /** Backends and policies in the namespace of the Gateway. Default: none. */
  companions?: readonly StatusObject[];
  /** How many HTTPRoutes there must be at least. */
  atLeast: number;
  /** Envoy's counters of rejected updates, and how many listeners it has. */
  stats: ReadonlyMap<string, number>;
  /** The same counters a moment before. What Envoy rejects it is told again several times a second, so that a counter that stands still is of the past. */
  before: ReadonlyMap<string, number>;
}

/** The problems, empty where there are none. A status that is missing, or of an older generation, is a problem. */
export function gatewayProblems({ gateway, object, routes, companions = [], atLeast, stats, before }: GatewayFindings): string[] {
  const title = `Gateway ${gateway.namespace}/${gateway.name}`;
  if (object === undefined) return [`${title} does not exist`];
  const problems = conditionProblems(title, object, object.status?.conditions, ["Accepted", "Programmed"]);
  for (const { name, conditions } of object.status?.listeners ?? []) {
    problems.push(...conditionProblems(`${title}, listener ${name}`, object, conditions, ["Accepted", "ResolvedRefs", "Programmed"]));
  }
  const own = routes.filter((route) => route.spec?.parentRefs?.some((ref) => isParent(ref, route, gateway)));
  if (own.length < atLeast) problems.push(`${title} has ${own.length} of ${atLeast} HTTPRoutes`);
  for (const route of own) problems.push(...routeProblems(route, gateway));
  problems.push(...companions.flatMap(companionProblems));
  return [...problems, ...envoyProblems(stats, before)];
}

/** What kgateway says of its own kinds; the others it says nothing of. */
export const companionConditions: Readonly<Record<string, { plural: string; group: string; wanted: readonly string[] }>> = {
  Backend: { plural: "backends", group: "gateway.kgateway.dev/v1alpha1", wanted: ["Accepted"] },
  TrafficPolicy: { plural: "trafficpolicies", group: "gateway.kgateway.dev/v1alpha1", wanted: ["Accepted", "Attached"] },
  BackendConfigPolicy: { plural: "backendconfigpolicies", group: "gateway.kgateway.dev/v1alpha1", wanted: ["Accepted", "Attached"] },
  ListenerPolicy: { plural: "listenerpolicies", group: "gateway.kgateway.dev/v1alpha1", wanted: ["Accepted", "Attached"] },
  HTTPListenerPolicy: { plural: "httplistenerpolicies", group: "gateway.kgateway.dev/v1alpha1", wanted: ["Accepted", "Attached"] },
  BackendTLSPolicy: { plural: "backendtlspolicies", group: "gateway.networking.k8s.io/v1", wanted: ["Accepted", "ResolvedRefs"] },
};

/** A policy whose target does not exist has no status at all. */
function companionProblems(object: StatusObject): string[] {
  const { kind = "", metadata, status } = object;
  const title = `${kind} ${metadata.namespace}/${metadata.name}`;
  const wanted = companionConditions[kind]?.wanted ?? [];
  if (kind === "Backend") return conditionProblems(title, object, status?.conditions, wanted);
  const ancestors = status?.ancestors ?? [];
  return ancestors.length === 0
    ? [`${title}: no word of ${wanted.join(" and ")} yet`]
    : ancestors.flatMap(({ ancestorRef, conditions }) => conditionProblems(`${title} at ${ancestorRef.name}`, object, conditions, wanted));
}

function isParent(ref: ParentRef, route: StatusObject, gateway: GatewayName): boolean {
  return ref.name === gateway.name && (ref.namespace ?? route.metadata.namespace) === gateway.namespace;
}

function routeProblems(route: StatusObject, gateway: GatewayName): string[] {
  const title = `HTTPRoute ${route.metadata.namespace}/${route.metadata.name}`;
  const parent = route.status?.parents?.find(({ parentRef }) => isParent(parentRef, route, gateway));
  // A rule that is replaced or dropped, as one with an invalid expression is, keeps the route accepted.
  return conditionProblems(title, route, parent?.conditions, ["Accepted", "ResolvedRefs", "kgateway.dev/Programmed"]);
}

function conditionProblems(
  title: string,
  object: StatusObject,
  conditions: readonly Condition[] | undefined,
  wanted: readonly string[],
): string[] {
  return wanted.flatMap((type) => {
    const condition = conditions?.find((one) => one.type === type);
    if (condition === undefined) return [`${title}: no word of ${type} yet`];
    if (condition.observedGeneration !== object.metadata.generation) return [`${title}: ${type} is not yet about its last change`];
    return condition.status === "True"
      ? []
      : [`${title}: ${type} is ${condition.status}: ${condition.reason ?? ""} ${condition.message ?? ""}`.trimEnd()];
  });
}

/** The status of objects never says whether Envoy took what it was told. */
function envoyProblems(stats: ReadonlyMap<string, number>, before: ReadonlyMap<string, number>): string[] {
  const rejected = [...stats].filter(([name, value]) => name.endsWith("update_rejected") && value > (before.get(name) ?? 0));
  return [
    ...rejected.map(([name]) => `Envoy rejects what it is told (${name}): its log says why`),
    ...((stats.get("listener_manager.total_listeners_active") ?? 0) > 0 ? [] : ["Envoy has no listener yet"]),
  ];
}
