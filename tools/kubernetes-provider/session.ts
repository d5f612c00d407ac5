/** What one provider process holds: its settings, its client, and its line to the engine. One process serves one `kubernetes.Provider`. */
import * as grpc from "@grpc/grpc-js";
import { EngineClient } from "@pulumi/pulumi/proto/engine_grpc_pb";
import { LogRequest, LogSeverity } from "@pulumi/pulumi/proto/engine_pb";
import { createHash, randomBytes } from "node:crypto";
import type { Wait } from "./await";
import type { Client } from "./client";
import { isTrue, type JsonMap, type KubeObject, pulumiAnnotation } from "./json";
import { type Journal, noJournal } from "./journal";
import type { MutableData } from "./replace";

export interface Session {
  settings: JsonMap;
  /** undefined while the cluster cannot be reached: a preview goes on without it, everything else fails. */
  client: Client | undefined;
  /** Why there is no client. */
  problem: string;
  defaultNamespace: string;
  cancelled: boolean;
  engine: EngineClient | undefined;
  journal: Journal;
  /** URNs that the state already has: for these a Create is a replacement. */
  readonly known: Set<string>;
}

export function newSession(): Session {
  return {
    settings: {},
    client: undefined,
    problem: "the provider is not configured",
    defaultNamespace: "default",
    cancelled: false,
    engine: undefined,
    journal: noJournal,
    known: new Set(),
  };
}

export function connectEngine(session: Session, address: string): void {
  if (address !== "") {
    session.engine = new EngineClient(address, grpc.credentials.createInsecure());
  }
}

export type Severity = "INFO" | "WARNING";

/** A message of the resource `urn`, or of the whole update where it is ""; an ephemeral one is progress and leaves no trace. */
export function log(session: Session, severity: Severity, urn: string, message: string, ephemeral = false): void {
  const request = new LogRequest().setSeverity(LogSeverity[severity]).setUrn(urn).setMessage(message).setEphemeral(ephemeral);
  // A message that does not arrive must not fail the operation.
  session.engine?.log(request, () => undefined);
}

/** @throws Error when the cluster cannot be reached */
export function needClient(session: Session): Client {
  if (!session.client) {
    throw new Error(`configured Kubernetes cluster is unreachable: ${session.problem}`);
  }
  return session.client;
}

/** API version and kind that a resource's type token stands for: `kubernetes:core/v1:Secret` → v1, Secret. */
export function kindOfUrn(urn: string): { apiVersion: string; kind: string } {
  const type = urn.split("::")[2]?.split("$").at(-1) ?? "";
  const [, apiVersion = "", kind = ""] = type.split(":");
  return { apiVersion: apiVersion.replace(/^core\//, ""), kind };
}

/** Limits and reports of one wait; the timeout is customTimeouts, else the annotation `pulumi.com/timeoutSeconds`, else 10 minutes. */
export function waitOf(session: Session, urn: string, object: JsonMap, timeoutSeconds: number): Wait {
  return {
    seconds: timeoutSeconds || Number(pulumiAnnotation(object, "timeoutSeconds")) || 600,
    cancelled: () => session.cancelled,
    progress: (text) => log(session, "INFO", urn, text, true),
  };
}

export function skipsAwait(object: JsonMap): boolean {
  return isTrue(pulumiAnnotation(object, "skipAwait"));
}

export function mutableData(session: Session): MutableData {
  return { configMaps: isTrue(session.settings["enableConfigMapMutable"]), secrets: isTrue(session.settings["enableSecretMutable"]) };
}

/** Hex digits: of the seed, so that preview and update agree, or random. */
export function suffix(length: number, seed: Uint8Array = new Uint8Array()): string {
  const bytes = seed.length > 0 ? createHash("sha256").update(seed).digest() : randomBytes(16);
  return bytes.toString("hex").slice(0, length);
}

/** The manager of our fields: from the annotation, from the state, or a new one of the official provider's form. */
export function fieldManagerOf(object: KubeObject, known?: string): string {
  return pulumiAnnotation(object, "patchFieldManager") ?? known ?? `pulumi-kubernetes-${suffix(8)}`;
}

/** Whether an apply takes over fields of other managers: by the annotation of the object or the setting of the provider. */
export function forcesPatch(session: Session, object: KubeObject): boolean {
  return isTrue(session.settings["enablePatchForce"]) || isTrue(pulumiAnnotation(object, "patchForce"));
}
