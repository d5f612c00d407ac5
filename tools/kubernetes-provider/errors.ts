/** What can go wrong between the engine and the API server. */
import * as grpc from "@grpc/grpc-js";
import { Any } from "google-protobuf/google/protobuf/any_pb";
import * as messages from "@pulumi/pulumi/proto/provider_pb";
import { Status } from "@pulumi/pulumi/proto/status_pb";
import { errorText } from "../plugin/serve";
import type { JsonMap } from "./json";
import { secretTexts, toStruct } from "./wire";

/** An answer of the API server that is not a success. */
export class ApiError extends Error {
  public constructor(
    public readonly code: number,
    /** `NotFound`, `Conflict`, `Invalid` …; "" where the answer was no Status object. */
    public readonly reason: string,
    message: string,
  ) {
    super(message);
  }
}

/** The API server does not serve this kind (yet). */
export class NoKindError extends Error {}

export function isNotFound(error: unknown): boolean {
  return error instanceof ApiError && error.code === 404;
}

export function isForbidden(error: unknown): boolean {
  return error instanceof ApiError && error.code === 403;
}

/** The object is there but not ready. The engine keeps its state, shows the resource as failed, and resumes with the next update. */
export class NotReadyError extends Error {
  public constructor(
    message: string,
    public readonly id: string,
    public readonly state: JsonMap,
    /** Inputs read from the cluster; only the answer to Read carries them. */
    public readonly inputs?: JsonMap,
  ) {
    super(message);
  }
}

/** The gRPC error for anything thrown: a partial failure carries the state, everything else its text. */
export function toGrpcError(error: unknown): Partial<grpc.StatusObject> {
  const message = errorText(error);
  if (!(error instanceof NotReadyError)) {
    return { code: grpc.status.UNKNOWN, details: message };
  }
  const detail = new messages.ErrorResourceInitFailed().setId(error.id).setProperties(toStruct(error.state)).setReasonsList([message]);
  if (error.inputs) {
    detail.setInputs(toStruct(error.inputs));
  }
  const any = new Any();
  any.pack(detail.serializeBinary(), "pulumirpc.ErrorResourceInitFailed");
  const status = new Status();
  status.setCode(grpc.status.UNKNOWN);
  status.setMessage(message);
  status.addDetails(any);
  const metadata = new grpc.Metadata();
  // The well-known trailer of google.rpc.Status: JavaScript's gRPC has no call for error details.
  metadata.add("grpc-status-details-bin", Buffer.from(status.serializeBinary()));
  return { code: grpc.status.UNKNOWN, details: message, metadata };
}

/** The API server quotes values in its errors: secret ones must not reach a log. Short texts stay, they would blank out half of a message. */
export function withoutSecrets(message: string, properties: JsonMap): string {
  const texts = secretTexts(properties).flatMap((text) => [text, Buffer.from(text).toString("base64")]);
  return texts.filter((text) => text.length > 3).reduce((result, text) => result.replaceAll(text, "[secret]"), message);
}

/** A conflict of server-side apply, with the ways out. */
export function conflictHint(error: unknown): string {
  return error instanceof ApiError && error.reason === "Conflict" && error.message.includes("Apply failed")
    ? "; leave the field out of the program, list it in ignoreChanges, or take it over with the annotation pulumi.com/patchForce"
    : "";
}
