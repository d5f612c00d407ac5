import { createHash } from "node:crypto";

/** Longest DNS label, RFC 1035 section 2.3.4; also the limit of a Kubernetes label value and Service name. */
export const maxDnsLabel = 63;

/** A DNS label as RFC 1035 and Kubernetes Services want it: starts with a letter, lower case, digits and hyphens. */
const dns1035 = /^[a-z]([-a-z0-9]*[a-z0-9])?$/;

/** Whether `text` can name a Kubernetes Service (RFC 1035 label, at most 63 characters). */
export function isDnsLabel(text: string): boolean {
  return text.length <= maxDnsLabel && dns1035.test(text);
}

/** What a DNS label must look like, for error messages. */
export const dnsLabelRule = "a DNS label is allowed: lower-case letters, digits and hyphens, starting with a letter, at most 63 characters";

/**
 * Joins parts to one DNS label. Where the result is longer than 63 characters it is cut and gets a hash of the whole,
 * so that two long names never collide and the same input always gives the same name.
 */
export function dnsName(...parts: readonly string[]): string {
  return dnsNameWithin(maxDnsLabel, ...parts);
}

/** Like `dnsName` for a shorter limit, for names that Kubernetes lengthens, for example that of a StatefulSet. */
export function dnsNameWithin(limit: number, ...parts: readonly string[]): string {
  const whole = parts.join("-");
  if (whole.length <= limit) {
    return whole;
  }
  const hash = createHash("sha256").update(whole).digest("hex").slice(0, 8);
  return `${whole.slice(0, limit - 9).replace(/-+$/, "")}-${hash}`;
}

/** A short, stable checksum of a value: the same for equal values whatever the order of their keys. */
export function contentHash(value: unknown): string {
  return createHash("sha256").update(stableJson(value)).digest("hex").slice(0, 16);
}

/** JSON with sorted keys, so that equal values give equal text. */
export function stableJson(value: unknown): string {
  return JSON.stringify(value, (_key, inner: unknown) =>
    typeof inner === "object" && inner !== null && !Array.isArray(inner)
      ? Object.fromEntries(Object.entries(inner).sort(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0)))
      : inner,
  );
}

/** The entries of a map in the order of its keys, by code units: what is made of them does not depend on how a file was written, or on the machine. */
export function sortedEntries<T>(map: Readonly<Record<string, T>>): [key: string, value: T][] {
  return Object.entries(map).sort(([a], [b]) => (a < b ? -1 : 1));
}
