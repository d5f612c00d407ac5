/** Emits checked routes as Gloo edge objects. Pure: plain values in, plain Kubernetes objects out. */
import type {
  CustomObject,
  GlooDestination,
  GlooGatewaySpec,
  GlooMatcher,
  GlooRoute,
  GlooVirtualServiceSpec,
} from "../kubernetes/custom-resources";
import { componentLabel, describeLabels } from "../kubernetes/labels";
import { dnsName } from "../model/names";
import type { AtomicMatch, Backend, PathMatch, RouteEntry, RouteRule, RouteTable } from "../model/routes";
import type { EmitContext } from "./gateway-api";

const apiVersion = "gateway.solo.io/v1";

/** A Gateway of the proxy `proxyName` that serves our VirtualService and no other. */
export function emitGlooGateway<N>(context: EmitContext<N>, proxyName: string, port: number): CustomObject<N, GlooGatewaySpec<N>> {
  const { name, namespace } = context;
  return {
    apiVersion,
    kind: "Gateway",
    metadata: { name: dnsName(name, "gateway"), namespace, labels: { ...describeLabels(name, "gateway"), [componentLabel]: name } },
    spec: {
      bindAddress: "::",
      bindPort: port,
      proxyNames: [proxyName],
      httpGateway: { virtualServices: [{ name: virtualServiceName(name), namespace }] },
    },
  };
}

/** The VirtualService: Gloo takes the first route that matches, so the list is in order of precedence. */
export function emitVirtualService<N>({ name, namespace }: EmitContext<N>, model: RouteTable): CustomObject<N, GlooVirtualServiceSpec<N>> {
  return {
    apiVersion,
    kind: "VirtualService",
    metadata: { name: virtualServiceName(name), namespace, labels: { ...describeLabels(name, "routes"), [componentLabel]: name } },
    spec: {
      virtualHost: {
        domains: model.hosts,
        routes: model.virtualHosts
          .flatMap(({ order }) => neighbours(order))
          .map(({ rule, matches }) => emitRoute(rule, matches, namespace)),
      },
    },
  };
}

function virtualServiceName(name: string): string {
  return dnsName(name, "routes");
}

/** Entries of one rule that follow each other become one route. */
function neighbours(order: readonly RouteEntry[]): { rule: RouteRule; matches: AtomicMatch[] }[] {
  const groups: { rule: RouteRule; matches: AtomicMatch[] }[] = [];
  for (const { rule, match } of order) {
    const last = groups[groups.length - 1];
    if (last?.rule === rule) {
      last.matches.push(match);
    } else {
      groups.push({ rule, matches: [match] });
    }
  }
  return groups;
}

function emitRoute<N>(rule: RouteRule, matches: readonly AtomicMatch[], namespace: N): GlooRoute<N> {
  const [only] = rule.backends;
  return {
    name: rule.name,
    matchers: matches.flatMap(emitMatchers),
    routeAction:
      only !== undefined && rule.backends.length === 1
        ? { single: emitDestination(only, namespace) }
        : {
            multi: {
              destinations: rule.backends.map((backend) => ({ destination: emitDestination(backend, namespace), weight: backend.weight })),
            },
          },
    // The JSON form of a protobuf duration: seconds with a fraction.
    ...(rule.timeoutSeconds === undefined ? {} : { options: { timeout: `${Math.round(rule.timeoutSeconds * 1000) / 1000}s` } }),
  };
}

function emitMatchers(match: AtomicMatch): GlooMatcher[] {
  return emitPaths(match.path).map((path) => ({
    ...path,
    ...(match.method === undefined ? {} : { methods: [match.method] }),
    ...(match.headers.length === 0 ? {} : { headers: match.headers.map(({ name, value }) => ({ name, value })) }),
    ...(match.query.length === 0 ? {} : { queryParameters: match.query.map(({ name, value }) => ({ name, value })) }),
  }));
}

/** Gloo's prefix is raw text: the prefix of elements `/p` takes `/p` itself and what starts with `/p/`. */
function emitPaths({ kind, value }: PathMatch): GlooMatcher[] {
  if (kind !== "prefix") {
    return [{ [kind]: value }];
  }
  return value === "/" ? [{ prefix: "/" }] : [{ exact: value }, { prefix: `${value}/` }];
}

function emitDestination<N>(backend: Backend, namespace: N): GlooDestination<N> {
  const { destination } = backend;
  if (destination.kind !== "service") {
    throw new Error(`${destination.id} is no Kubernetes Service`);
  }
  return { kube: { ref: { name: destination.name, namespace: destination.namespace ?? namespace }, port: destination.port } };
}
