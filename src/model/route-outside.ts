/** Destinations outside of the cluster: functions of the clouds, and any server by its URL. */
import { checkBoolean, checkKnownKeys, checkOneOf } from "./checks";
import { joinPath, type Problems } from "./errors";
import type { UrlDestination, WeightedDestination } from "./route-destination-types";
import { isHostName } from "./route-hosts";
import { isPlainPath } from "./route-input";
import type { Backend, HostTarget } from "./route-table";

/** The members of a destination that are outside of the cluster. */
export const outsideKinds = ["lambda", "cloudRun", "cloudFunction", "azureFunction", "url"] as const;
type OutsideKind = (typeof outsideKinds)[number];

interface Member {
  rule: RegExp | "boolean" | "url" | "host" | readonly string[];
  allowed: string;
  needed?: boolean;
}

const secretName: Member = { rule: /^[a-z0-9](?:[-.a-z0-9]{0,251}[a-z0-9])?$/, allowed: "the name of a Secret is allowed" };
const yesNo: Member = { rule: "boolean", allowed: "" };

/** What each member may be; the patterns are those of the clouds, and of the CRDs of the gateways where these are narrower. */
const members: Record<OutsideKind, Record<string, Member>> = {
  lambda: {
    region: { rule: /^[a-z]{2}(?:-[a-z]+)+-\d$/, allowed: "an AWS region is allowed, for example eu-west-1", needed: true },
    accountId: { rule: /^\d{12}$/, allowed: "an AWS account is twelve digits", needed: true },
    functionName: {
      rule: /^[A-Za-z0-9_-]{1,140}$/,
      allowed: "the name of a function is letters, digits, _ and -, at most 140",
      needed: true,
    },
    qualifier: {
      rule: /^(?:\$LATEST|[A-Za-z0-9_-]{1,128})$/,
      allowed: "$LATEST, a version or an alias is allowed",
    },
    credentialsSecret: secretName,
    async: yesNo,
    payload: { rule: ["request", "body"], allowed: "" },
    endpointUrl: {
      rule: /^https?:\/\/[-a-zA-Z0-9.]+:\d{1,5}$/,
      allowed: "http:// or https:// with a host and a port is allowed, for example http://127.0.0.1:9001",
    },
  },
  cloudRun: {
    host: { rule: "host", allowed: "the host of a Cloud Run service is allowed, for example scale-abc123-ew.a.run.app", needed: true },
    audience: { rule: /^[\x21-\x7e]{1,1024}$/, allowed: "an audience is visible ASCII text" },
    public: yesNo,
  },
  cloudFunction: {
    region: { rule: /^[a-z]+(?:-[a-z]+)+\d{1,2}$/, allowed: "a Google Cloud region is allowed, for example europe-west1", needed: true },
    project: {
      rule: /^[a-z][-a-z0-9]{4,28}[a-z0-9]$/,
      allowed: "the id of a project is 6 to 30 lower-case letters, digits and hyphens",
      needed: true,
    },
    function: {
      rule: /^[A-Za-z](?:[-A-Za-z0-9_]{0,61}[A-Za-z0-9])?$/,
      allowed: "the name of a function is at most 63 letters, digits, - and _",
      needed: true,
    },
    public: yesNo,
  },
  azureFunction: {
    app: {
      rule: /^[A-Za-z0-9](?:[-A-Za-z0-9]{0,58}[A-Za-z0-9])$/,
      allowed: "the name of a function app is 2 to 60 letters, digits and hyphens",
      needed: true,
    },
    function: {
      rule: /^[A-Za-z][-A-Za-z0-9_]{0,126}$/,
      allowed: "the name of a function is letters, digits, - and _, at most 127",
      needed: true,
    },
    keySecret: secretName,
  },
  url: {
    url: {
      rule: "url",
      allowed: "an address such as https://api.example.com/v1 is allowed, without user, query and fragment",
      needed: true,
    },
  },
};

/** Checks a destination outside of the cluster. */
export function checkOutside(problems: Problems, path: string, kind: string, given: Record<string, unknown>): void {
  const known = members[kind as OutsideKind];
  checkKnownKeys(problems, path, given, Object.keys(known));
  for (const [name, member] of Object.entries(known)) {
    if (given[name] !== undefined || member.needed) {
      checkMember(problems, joinPath(path, name), given[name], member);
    }
  }
}

function checkMember(problems: Problems, path: string, value: unknown, { rule, allowed }: Member): void {
  if (rule === "boolean") {
    checkBoolean(problems, path, value);
  } else if (rule instanceof RegExp || rule === "url" || rule === "host") {
    const fits =
      rule === "url" ? readUrl(value) !== undefined : rule === "host" ? isHostName(value) : typeof value === "string" && rule.test(value);
    if (!fits) {
      problems.add(path, value, allowed);
    }
  } else {
    checkOneOf(problems, path, value, rule);
  }
}

interface Address {
  tls: boolean;
  host: string;
  port: number;
  /** "" where it is the root. */
  path: string;
}

/** The parts of a URL, `undefined` where it is none that a gateway can call. */
export function readUrl(text: unknown): Address | undefined {
  const found = typeof text === "string" ? /^(https?):\/\/([^/:?#@]+)(?::(\d{1,5}))?(\/[^?#]*)?$/.exec(text) : null;
  if (found === null) {
    return undefined;
  }
  const [, scheme, host = "", digits, path = "/"] = found;
  const port = digits === undefined ? (scheme === "https" ? 443 : 80) : Number(digits);
  const isAddress = /^(?:\d{1,3}\.){3}\d{1,3}$/.test(host);
  if (!(isHostName(host) || isAddress) || host.startsWith("*") || port < 1 || port > 65535 || !isPlainPath(path)) {
    return undefined;
  }
  return { tls: scheme === "https", host, port, path: path.replace(/\/$/, "") };
}

/** A server by its URL. */
export function resolveUrl({ url }: UrlDestination): { label: string; destination: HostTarget } {
  const { tls, host, port, path } = readUrl(url) ?? { tls: true, host: "", port: 443, path: "" };
  return { label: url, destination: hostTarget({ origin: "url", tls, host, port, path }) };
}

function hostTarget(target: Omit<HostTarget, "kind" | "id">): HostTarget {
  const { tls, host, port, path, googleAudience, functionsKeySecret } = target;
  const marks = [googleAudience, functionsKeySecret].filter((mark) => mark !== undefined);
  const id = [`${tls ? "https" : "http"}://${host}:${port}${path}`, ...marks].join(" ");
  return { kind: "host", id, ...target };
}

/** The backend of a checked destination outside of the cluster. */
export function resolveOutside({ lambda, cloudRun, cloudFunction, azureFunction, url }: WeightedDestination): Backend {
  if (lambda !== undefined) {
    const {
      region,
      accountId,
      functionName,
      qualifier = "$LATEST",
      credentialsSecret,
      async = false,
      payload = "request",
      endpointUrl,
    } = lambda;
    const place = [
      `lambda ${region} ${accountId} ${functionName}:${qualifier}`,
      credentialsSecret,
      async ? "async" : undefined,
      payload,
      endpointUrl,
    ];
    return {
      weight: 1,
      label: `Lambda ${functionName}${qualifier === "$LATEST" ? "" : `:${qualifier}`}`,
      destination: {
        kind: "lambda",
        id: place.filter((part) => part !== undefined).join(" "),
        region,
        accountId,
        functionName,
        qualifier,
        ...(credentialsSecret === undefined ? {} : { credentialsSecret }),
        async,
        payload,
        ...(endpointUrl === undefined ? {} : { endpointUrl }),
      },
    };
  }
  const https = { tls: true, port: 443 };
  if (cloudRun !== undefined) {
    const { host, audience = `https://${host}` } = cloudRun;
    const token = cloudRun.public === true ? {} : { googleAudience: audience };
    return { weight: 1, label: `Cloud Run ${host}`, destination: hostTarget({ origin: "cloudRun", ...https, host, path: "", ...token }) };
  }
  if (cloudFunction !== undefined) {
    const host = `${cloudFunction.region}-${cloudFunction.project}.cloudfunctions.net`;
    const path = `/${cloudFunction.function}`;
    const token = cloudFunction.public === true ? {} : { googleAudience: `https://${host}${path}` };
    const label = `Cloud Function ${cloudFunction.function}`;
    return { weight: 1, label, destination: hostTarget({ origin: "cloudFunction", ...https, host, path, ...token }) };
  }
  if (azureFunction !== undefined) {
    const { app, function: name, keySecret } = azureFunction;
    const host = `${app.toLowerCase()}.azurewebsites.net`;
    const key = keySecret === undefined ? {} : { functionsKeySecret: keySecret };
    const destination = hostTarget({ origin: "azureFunction", ...https, host, path: `/api/${name}`, ...key });
    return { weight: 1, label: `Azure function ${app}/${name}`, destination };
  }
  const { label, destination } = resolveUrl(url ?? { url: "" });
  return { weight: 1, label, destination };
}
