/** Rules in the words of Istio's VirtualService. */
import type {
  IstioDestination,
  IstioHeaderOperations,
  IstioHttpRoute,
  IstioMatch,
  IstioRetries,
  IstioStringMatch,
} from "../kubernetes/istio-resources";
import type {
  AtomicMatch,
  CorsPolicy,
  Destination,
  Edits,
  PathMatch,
  RouteAction,
  RouteEntry,
  RouteRule,
  ValueMatch,
} from "../model/routes";
import { escapeSubstitution, prefixPattern, retryConditions, seconds, textPaths } from "./words";

/** Where a destination is found. */
export type IstioHostOf = (destination: Destination) => IstioDestination;

/** Entries of one rule that follow each other. Istio takes the first route that matches. */
export interface IstioGroup {
  rule: RouteRule;
  matches: AtomicMatch[];
}

/** Groups an order of precedence; what replaces the prefix that matched stands alone for each prefix. */
export function groupNeighbours(order: readonly RouteEntry[]): IstioGroup[] {
  const groups: IstioGroup[] = [];
  for (const { rule, match } of order) {
    const last = groups[groups.length - 1];
    const samePath = rule.rewrite?.prefix === undefined || last?.matches[0]?.path.value === match.path.value;
    if (last?.rule === rule && samePath) {
      last.matches.push(match);
    } else {
      groups.push({ rule, matches: [match] });
    }
  }
  return groups;
}

/** One route for some matches of one rule. */
export function emitIstioRoute(hostOf: IstioHostOf, { rule, matches }: IstioGroup): IstioHttpRoute {
  const [first] = matches;
  if (first === undefined) {
    throw new Error(`route ${rule.name} has no match`);
  }
  const headers = {
    ...(rule.requestHeaders === undefined ? {} : { request: emitEdits(rule.requestHeaders) }),
    ...(rule.responseHeaders === undefined ? {} : { response: emitEdits(rule.responseHeaders) }),
  };
  return {
    name: rule.name,
    match: matches.flatMap(emitMatches),
    ...emitAction(hostOf, rule),
    ...emitRewrite(rule, first.path),
    ...(rule.fault === undefined ? {} : { fault: emitFault(rule.fault) }),
    ...(rule.cors === undefined ? {} : { corsPolicy: emitCors(rule.cors) }),
    ...(Object.keys(headers).length === 0 ? {} : { headers }),
  };
}

function emitMatches(match: AtomicMatch): IstioMatch[] {
  return textPaths(match.path).map((uri) => ({
    uri,
    ...(match.method === undefined ? {} : { method: { exact: match.method } }),
    ...(match.headers.length === 0 ? {} : { headers: emitValues(match.headers) }),
    ...(match.query.length === 0 ? {} : { queryParams: emitValues(match.query) }),
  }));
}

function emitValues(values: readonly ValueMatch[]): Record<string, IstioStringMatch> {
  return Object.fromEntries(values.map(({ name, kind, value }) => [name, kind === "present" ? {} : { [kind]: value }]));
}

function emitAction(hostOf: IstioHostOf, rule: RouteRule): Partial<IstioHttpRoute> {
  const { action } = rule;
  switch (action.kind) {
    case "forward":
      return emitForward(hostOf, rule);
    case "redirect":
      return { redirect: emitRedirect(action) };
    case "respond":
      return { directResponse: { status: action.status, ...(action.body === "" ? {} : { body: { string: action.body } }) } };
    case "delegate":
      return { delegate: { name: action.name, ...(action.namespace === undefined ? {} : { namespace: action.namespace }) } };
  }
}

function emitForward(hostOf: IstioHostOf, rule: RouteRule): Partial<IstioHttpRoute> {
  return {
    route: rule.backends.map(({ weight, destination }) => ({ destination: hostOf(destination), weight })),
    ...(rule.timeoutSeconds === undefined ? {} : { timeout: seconds(rule.timeoutSeconds) }),
    // Without a word Istio tries twice more, which no other gateway does.
    retries: rule.retries === undefined ? { attempts: 0 } : emitRetries(rule.retries),
    ...(rule.mirrors.length === 0
      ? {}
      : {
          mirrors: rule.mirrors.map(({ destination, percent }) => ({ destination: hostOf(destination), percentage: { value: percent } })),
        }),
  };
}

function emitRedirect({
  scheme,
  host,
  port,
  path,
  prefix,
  status,
}: Extract<RouteAction, { kind: "redirect" }>): IstioHttpRoute["redirect"] {
  if (prefix !== undefined) {
    throw new Error("a redirect that replaces the prefix cannot be said in Istio 1.30");
  }
  return {
    ...(scheme === undefined ? {} : { scheme }),
    ...(host === undefined ? {} : { authority: host }),
    ...(port === undefined ? {} : { port }),
    ...(path === undefined ? {} : { uri: path }),
    redirectCode: status,
  };
}

/** By a regular expression, because `uri` replaces a raw prefix, and the whole of an exact path. */
function emitRewrite({ rewrite }: RouteRule, matched: PathMatch): Pick<IstioHttpRoute, "rewrite"> {
  if (rewrite === undefined) {
    return {};
  }
  const { prefix, path, regex, host } = rewrite;
  const substitution =
    regex !== undefined
      ? { match: regex.pattern, rewrite: regex.substitution }
      : path !== undefined
        ? { match: "^.+$", rewrite: escapeSubstitution(path) }
        : prefix !== undefined
          ? prefixPattern(matched.value, prefix)
          : undefined;
  return {
    rewrite: {
      ...(host === undefined ? {} : { authority: host }),
      ...(substitution === undefined ? {} : { uriRegexRewrite: substitution }),
    },
  };
}

function emitRetries({ attempts, on, perTrySeconds, backoffSeconds, otherPlace }: NonNullable<RouteRule["retries"]>): IstioRetries {
  return {
    attempts,
    retryOn: on.map((condition) => retryConditions[condition]).join(","),
    ...(perTrySeconds === undefined ? {} : { perTryTimeout: seconds(perTrySeconds) }),
    ...(backoffSeconds === undefined ? {} : { backoff: seconds(backoffSeconds) }),
    ...(otherPlace ? { retryRemoteLocalities: true } : {}),
  };
}

function emitFault({ delay, abort }: NonNullable<RouteRule["fault"]>): IstioHttpRoute["fault"] {
  return {
    ...(delay === undefined ? {} : { delay: { fixedDelay: seconds(delay.seconds), percentage: { value: delay.percent } } }),
    ...(abort === undefined ? {} : { abort: { httpStatus: abort.status, percentage: { value: abort.percent } } }),
  };
}

function emitCors({ origins, methods, headers, exposeHeaders, maxAgeSeconds, credentials }: CorsPolicy): IstioHttpRoute["corsPolicy"] {
  return {
    allowOrigins: origins.map((exact) => ({ exact })),
    ...(methods === undefined ? {} : { allowMethods: methods }),
    ...(headers === undefined ? {} : { allowHeaders: headers }),
    ...(exposeHeaders === undefined ? {} : { exposeHeaders }),
    ...(maxAgeSeconds === undefined ? {} : { maxAge: seconds(maxAgeSeconds) }),
    ...(credentials === undefined ? {} : { allowCredentials: credentials }),
  };
}

function emitEdits({ set, add, remove }: Edits): IstioHeaderOperations {
  // Values go to Envoy as they are, where a percent sign begins a command, and two are one.
  const values = (list: readonly { name: string; value: string }[]): Record<string, string> =>
    Object.fromEntries(list.map(({ name, value }) => [name, value.replace(/%/g, "%%")]));
  return {
    ...(set.length === 0 ? {} : { set: values(set) }),
    ...(add.length === 0 ? {} : { add: values(add) }),
    ...(remove.length === 0 ? {} : { remove: [...remove] }),
  };
}
