/**
 * What the Gateway API alone cannot say, in kgateway's own kinds: answers, retries, faults, functions, how destinations are spoken to. Pure: plain values in,
 * plain Kubernetes objects out.
 */
import type {
  BackendTlsPolicySpec,
  CustomObject,
  DirectResponseSpec,
  ListenerPolicySpec,
  PolicyTarget,
  ReferenceGrantSpec,
  TrafficPolicyBody,
  TrafficPolicySpec,
} from "../kubernetes/custom-resources";
import { contentHash, dnsName } from "../model/names";
import type { RouteRule, RouteTable, Upstream } from "../model/routes";
import type { EmitContext, HttpRoutePage } from "./gateway-api";
import { emitBackend, emitBackendSettings, type BackendContext } from "./kgateway-backends";
import { directResponseName, kgatewayGroup, type NamedObject, pagesOfTargets } from "./kgateway-names";
import { metadataOf } from "./metadata";
import { gepDuration, retryConditions } from "./words";

const apiVersion = `${kgatewayGroup}/v1alpha1`;
const gatewayGroup = "gateway.networking.k8s.io";

/**
 * Every object beside the HTTPRoutes.
 *
 * @param pages the HTTPRoutes, whose rules policies refer to
 * @param gateway name of a Gateway in the namespace of the routes; undefined where it is in another one, which policies cannot reach
 */
export function emitKgatewayObjects<N>(
  context: BackendContext<N>,
  table: RouteTable,
  pages: readonly HttpRoutePage<N>[],
  gateway: string | undefined,
): NamedObject<N>[] {
  const services = table.upstreams.filter(({ destination }) => destination.kind === "service");
  return [
    ...emitAnswers(context, table.rules),
    ...emitTrafficPolicies(context, table.rules, pages),
    ...emitBackends(context, table.upstreams),
    ...emitBackendSettings(context, table.upstreams),
    ...services.flatMap((upstream) => emitServiceTls(context, upstream)),
    ...(gateway !== undefined && table.rules.some(({ webSocket }) => webSocket) ? [emitUpgrades(context, gateway)] : []),
  ];
}

/** A ReferenceGrant that lets the routes refer to the Services of another namespace. */
export function emitReferenceGrant<N>(context: EmitContext<N>, namespace: string): CustomObject<string, ReferenceGrantSpec<N>> {
  const from = [{ group: gatewayGroup, kind: "HTTPRoute", namespace: context.namespace }];
  const { name, labels } = head(context, "routes-grant").metadata;
  return {
    apiVersion: `${gatewayGroup}/v1beta1`,
    kind: "ReferenceGrant",
    metadata: { name, namespace, labels },
    spec: { from, to: [{ group: "", kind: "Service" }] },
  };
}

function head<N>(context: EmitContext<N>, part: string): Pick<CustomObject<N, unknown>, "metadata"> {
  return { metadata: metadataOf(context, dnsName(context.name, part), "routes") };
}

function emitAnswers<N>(context: EmitContext<N>, rules: readonly RouteRule[]): NamedObject<N>[] {
  const answers = new Map<string, DirectResponseSpec>();
  for (const { action } of rules) {
    if (action.kind === "respond") {
      const { status, body } = action;
      answers.set(directResponseName(context.name, status, body), { status, ...(body === "" ? {} : { body }) });
    }
  }
  return [...answers]
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([name, spec]) => ({
      part: name.slice(context.name.length + 1),
      object: { apiVersion, kind: "DirectResponse", metadata: { ...head(context, "").metadata, name }, spec },
    }));
}

/** What a rule needs that an HTTPRoute cannot say. */
function trafficPolicyOf({ retries, rewrite, fault, backends }: RouteRule): TrafficPolicyBody {
  const secrets = backends.flatMap(({ destination }) => (destination.kind === "host" ? [destination.functionsKeySecret] : []));
  const secret = secrets.find((name) => name !== undefined);
  const { delay, abort } = fault ?? {};
  return {
    ...(retries === undefined
      ? {}
      : {
          retry: {
            attempts: retries.attempts,
            retryOn: retries.on.map((condition) => retryConditions[condition]),
            ...(retries.perTrySeconds === undefined ? {} : { perTryTimeout: gepDuration(retries.perTrySeconds) }),
            ...(retries.backoffSeconds === undefined ? {} : { backoffBaseInterval: gepDuration(retries.backoffSeconds) }),
          },
        }),
    ...(rewrite?.regex === undefined ? {} : { urlRewrite: { pathRegex: rewrite.regex } }),
    ...(fault === undefined
      ? {}
      : {
          faultInjection: {
            ...(delay === undefined ? {} : { delay: { fixedDelay: gepDuration(delay.seconds), percentage: delay.percent } }),
            ...(abort === undefined ? {} : { abort: { httpStatus: abort.status, percentage: abort.percent } }),
          },
        }),
    ...(secret === undefined ? {} : { headerModifiers: { request: { set: [{ name: "x-functions-key", secretRef: { name: secret } }] } } }),
  };
}

/** One policy for all rules that need the same, spread over several where a policy takes no more targets. */
function emitTrafficPolicies<N>(
  context: EmitContext<N>,
  rules: readonly RouteRule[],
  pages: readonly HttpRoutePage<N>[],
): NamedObject<N>[] {
  const groups = new Map<string, { body: TrafficPolicyBody; targets: PolicyTarget[] }>();
  const bodies = new Map<RouteRule, { key: string; body: TrafficPolicyBody }>();
  for (const rule of rules) {
    const body = trafficPolicyOf(rule);
    if (Object.keys(body).length > 0) {
      bodies.set(rule, { key: contentHash(body).slice(0, 8), body });
    }
  }
  for (const { object, sources } of pages) {
    object.spec.rules.forEach(({ name }, index) => {
      const source = sources[index];
      const wanted = source && bodies.get(source);
      if (wanted !== undefined) {
        const group = groups.get(wanted.key) ?? { body: wanted.body, targets: [] };
        groups.set(wanted.key, group);
        group.targets.push({ group: gatewayGroup, kind: "HTTPRoute", name: object.metadata.name, sectionName: name });
      }
    });
  }
  return [...groups]
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .flatMap(([key, { body, targets }]) =>
      pagesOfTargets(targets).map(({ key: page, things: targetRefs }): NamedObject<N> => {
        const part = ["traffic", key, ...(page === "" ? [] : [page])].join("-");
        const spec: TrafficPolicySpec = { targetRefs, ...body };
        return { part, object: { apiVersion, kind: "TrafficPolicy", ...head(context, part), spec } };
      }),
    );
}

function emitBackends<N>(context: BackendContext<N>, upstreams: readonly Upstream[]): NamedObject<N>[] {
  const specs = new Map(upstreams.flatMap(({ destination }) => emitBackend(context, destination)));
  return [...specs]
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([name, spec]) => ({
      part: name.slice(context.name.length + 1),
      object: { apiVersion, kind: "Backend", metadata: { ...head(context, "").metadata, name }, spec },
    }));
}

function emitServiceTls<N>(context: EmitContext<N>, { destination, settings }: Upstream): NamedObject<N>[] {
  if (destination.kind !== "service" || settings.tls === undefined) {
    return [];
  }
  const { serverName, ca } = settings.tls;
  const part = `tls-${contentHash(destination.id).slice(0, 8)}`;
  const { metadata } = head(context, part);
  const spec: BackendTlsPolicySpec = {
    targetRefs: [{ group: "", kind: "Service", name: destination.name }],
    validation: {
      hostname: serverName,
      ...(ca === undefined ? { wellKnownCACertificates: "System" } : { caCertificateRefs: [{ group: "", kind: "ConfigMap", name: ca }] }),
    },
  };
  const namespace = destination.namespace ?? metadata.namespace;
  return [{ part, object: { apiVersion: `${gatewayGroup}/v1`, kind: "BackendTLSPolicy", metadata: { ...metadata, namespace }, spec } }];
}

/** Lets connections of the Gateway become WebSockets. */
function emitUpgrades<N>(context: EmitContext<N>, gateway: string): NamedObject<N> {
  const spec: ListenerPolicySpec = {
    targetRefs: [{ group: gatewayGroup, kind: "Gateway", name: gateway }],
    default: { httpSettings: { upgradeConfig: { enabledUpgrades: ["websocket"] } } },
  };
  return { part: "upgrades", object: { apiVersion, kind: "ListenerPolicy", ...head(context, "upgrades"), spec } };
}
