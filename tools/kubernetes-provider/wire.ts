/** The engine's wire format: protobuf structs in which secrets and unknown values are marked by fixed signatures. */
import { Struct } from "google-protobuf/google/protobuf/struct_pb";
import { isMap, type Json, type JsonMap } from "./json";

/** Signatures of Pulumi's property values (pulumi/sdk/go/common/resource/sig); they never change. */
const signatureKey = "4dabf18193072939515e22adb298388d";
const secretSignature = "1b47061264138c4ac30d75fd1eb44270";

/** Stands for a value that is known only after the update. */
export const unknown = "04da6b54-80e4-46f7-96ec-b56ff0331ba9";

export function isSecret(value: Json | undefined): value is JsonMap {
  return isMap(value) && value[signatureKey] === secretSignature;
}

/** Marks a value secret; marking twice is the same as marking once. */
export function secret(value: Json): JsonMap {
  return isSecret(value) ? value : { [signatureKey]: secretSignature, value };
}

export function hasSecret(value: Json | undefined): boolean {
  return isSecret(value) || children(value).some(hasSecret);
}

export function hasUnknown(value: Json | undefined): boolean {
  return value === unknown || children(value).some(hasUnknown);
}

/** The value without its marks of secrecy. */
export function reveal(value: Json): Json {
  if (isSecret(value)) {
    return reveal(value["value"] ?? null);
  }
  if (Array.isArray(value)) {
    return value.map(reveal);
  }
  return isMap(value) ? mapValues(value, reveal) : value;
}

/** Every text inside a secret, for keeping them out of messages. */
export function secretTexts(value: Json | undefined, inside = false): string[] {
  if (typeof value === "string") {
    return inside && value !== unknown ? [value] : [];
  }
  return isSecret(value) ? secretTexts(value["value"], true) : children(value).flatMap((child) => secretTexts(child, inside));
}

/**
 * The program's property names use `x_kubernetes_…` where the API says `x-kubernetes-…` (schemas of custom resources), because the SDK's
 * properties are identifiers. Inputs go out with dashes, outputs come back with underscores.
 */
export const dashed = (key: string): string => (key.startsWith("x_kubernetes_") ? key.replaceAll("_", "-") : key);
export const underscored = (key: string): string => (key.startsWith("x-kubernetes-") ? key.replaceAll("-", "_") : key);

/** A copy with every key renamed, without null members: to Kubernetes null and absent are one. */
export function renameKeys(value: Json, rename: (key: string) => string): Json {
  if (Array.isArray(value)) {
    return value.map((item) => renameKeys(item, rename));
  }
  if (!isMap(value)) {
    return value;
  }
  const kept = Object.entries(value).filter((entry): entry is [string, Json] => entry[1] !== null && entry[1] !== undefined);
  return Object.fromEntries(kept.map(([key, item]) => [rename(key), renameKeys(item, rename)]));
}

/** Wire properties as a plain Kubernetes object: no marks, no nulls, dashes. */
export function toPlain(properties: JsonMap): JsonMap {
  const plain = renameKeys(reveal(properties), dashed);
  return isMap(plain) ? plain : {};
}

export function fromStruct(struct: Struct | undefined): JsonMap {
  return struct?.toJavaScript() ?? {};
}

export function toStruct(properties: JsonMap): Struct {
  // Struct.fromJavaScript throws on undefined members; a pass through JSON drops them.
  return Struct.fromJavaScript(JSON.parse(JSON.stringify(properties)) as Parameters<typeof Struct.fromJavaScript>[0]);
}

function children(value: Json | undefined): (Json | undefined)[] {
  return Array.isArray(value) ? value : isMap(value) ? Object.values(value) : [];
}

function mapValues(value: JsonMap, change: (item: Json) => Json): JsonMap {
  return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, item === undefined ? undefined : change(item)]));
}
