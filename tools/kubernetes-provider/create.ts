/** Create: server-side apply of an object that must not exist yet; in preview the same as a dry run. */
import { type CreateRequest, CreateResponse } from "@pulumi/pulumi/proto/provider_pb";
import { errorText } from "../plugin/serve";
import { untilReady } from "./await";
import { checkpoint } from "./checkpoint";
import type { Client } from "./client";
import { ApiError, conflictHint, isForbidden, isNotFound, NoKindError, NotReadyError, withoutSecrets } from "./errors";
import { isTrue, type JsonMap, type KubeObject, mapAt, objectId, pulumiAnnotation, textAt } from "./json";
import { madeBy } from "./journal";
import { fieldManagerOf, forcesPatch, log, needClient, type Session, skipsAwait, suffix, waitOf } from "./session";
import { fromStruct, hasUnknown, toPlain, toStruct, unknown } from "./wire";

/** A namespace or a custom resource definition of the same update may need a moment: pauses before each new attempt, in milliseconds. */
const retryPausesMs = [500, 1000, 2000, 4000];

export async function create(session: Session, request: CreateRequest): Promise<CreateResponse> {
  const properties = fromStruct(request.getProperties());
  const object = toPlain(properties) as KubeObject;
  if (request.getPreview()) {
    const previewed = await previewCreate(session, request.getUrn(), properties, object);
    return new CreateResponse().setProperties(toStruct(previewed));
  }
  const manager = fieldManagerOf(object);
  const state = (live: KubeObject, owner: string): JsonMap => checkpoint(object, live, properties, object.apiVersion, owner);
  const { live, owner } = await createWithRetries(session, request.getUrn(), properties, object, manager);
  const ready = await awaitReady(session, request.getUrn(), "created", object, live, request.getTimeout(), (each) => state(each, owner));
  return new CreateResponse().setId(objectId(ready)).setProperties(toStruct(state(ready, owner)));
}

/** Waits for an object just applied; when it does not become ready, the error carries its state. */
export async function awaitReady(
  session: Session,
  urn: string,
  verb: string,
  object: KubeObject,
  applied: KubeObject,
  timeoutSeconds: number,
  state: (live: KubeObject) => JsonMap,
): Promise<KubeObject> {
  if (skipsAwait(object)) {
    return applied;
  }
  let newest = applied;
  try {
    return await untilReady(needClient(session), applied, waitOf(session, urn, object, timeoutSeconds), (live) => (newest = live));
  } catch (error) {
    const message = `${object.kind} ${objectId(applied)} was ${verb}, but it did not become ready: ${errorText(error)}`;
    throw new NotReadyError(message, objectId(newest), state(newest));
  }
}

interface Created {
  live: KubeObject;
  /** The field manager under which it was made: that of an interrupted create where there was one. */
  owner: string;
}

async function createWithRetries(session: Session, urn: string, marks: JsonMap, object: KubeObject, manager: string): Promise<Created> {
  for (let attempt = 0; ; attempt++) {
    try {
      return await createOnce(session, urn, object, manager);
    } catch (error) {
      const pause = retryPausesMs[attempt];
      if ((isNotFound(error) || error instanceof NoKindError) && pause !== undefined && !session.cancelled) {
        log(session, "INFO", urn, `attempt ${attempt + 1}: ${errorText(error)}`, true);
        await new Promise((resolve) => setTimeout(resolve, pause));
        continue;
      }
      throw notCreated(error, marks, object);
    }
  }
}

async function createOnce(session: Session, urn: string, object: KubeObject, manager: string): Promise<Created> {
  const client = needClient(session);
  const there = await client.find(object);
  const id = objectId(there ?? object);
  const earlier = await session.journal.interrupted(urn, id);
  if (there && madeBy(there, earlier)) {
    log(session, "WARNING", urn, `${object.kind} ${id} was made by an update that was interrupted; this update goes on with it`);
    return { live: await client.apply(object, earlier.fieldManager), owner: earlier.fieldManager };
  }
  if (there && !mayTakeOver(session, object)) {
    throw alreadyExists(object, id);
  }
  // A provider whose engine was killed may still be at it: under one manager the two creates are one, and cannot conflict.
  const owner = earlier ? fieldManagerOf(object, earlier.fieldManager) : manager;
  await session.journal.write(urn, id, { fieldManager: owner });
  const live = await client.apply(object, owner, { force: forcesPatch(session, object) });
  await session.journal.write(urn, id, { fieldManager: owner, uid: live.metadata.uid });
  return { live, owner };
}

/** The object as the server would make it; the inputs as they are where the server cannot judge it yet. */
async function previewCreate(session: Session, urn: string, properties: JsonMap, object: KubeObject): Promise<JsonMap> {
  const client = session.client;
  if (!client || hasUnknown(object) || !(await client.knownKind(object))) {
    return properties;
  }
  try {
    const there = await client.find(object);
    const id = objectId(there ?? object);
    // A resource that the state has is being replaced, so that its object may well be there; for a new one it is somebody else's.
    const foreign = there && !session.known.has(urn) && !mayTakeOver(session, object);
    if (foreign && !madeBy(there, await session.journal.interrupted(urn, id))) {
      throw alreadyExists(object, id);
    }
    const manager = fieldManagerOf(object);
    // Validated under a name that is free: a dry run over an existing object would be judged as a change of it.
    const live = await client.apply(there ? renamed(object) : object, manager, { dryRun: true, force: true });
    const shown = withoutInventions(object, { ...live, metadata: { ...live.metadata, name: object.metadata.name } });
    return checkpoint(object, shown, properties, object.apiVersion, manager);
  } catch (error) {
    if (isNotFound(error)) {
      await validateElsewhere(client, properties, object);
      return properties;
    }
    if (isForbidden(error)) {
      return properties;
    }
    throw notCreated(error, properties, object);
  }
}

/**
 * The namespace is created in the same update. The rules of a kind are the same in every namespace, so ask about the default one; its quotas and
 * policies are not ours, so only "invalid" counts.
 */
async function validateElsewhere(client: Client, properties: JsonMap, object: KubeObject): Promise<void> {
  const elsewhere = renamed({ ...object, metadata: { ...object.metadata, namespace: "default" } });
  try {
    await client.apply(elsewhere, fieldManagerOf(object), { dryRun: true, force: true });
  } catch (error) {
    if (error instanceof ApiError && (error.code === 400 || error.code === 422)) {
      throw notCreated(error, properties, object);
    }
  }
}

/** A dry run invents what only a real create decides: programs must see it as unknown, or they would act on it. */
function withoutInventions(object: KubeObject, dryRun: KubeObject): JsonMap {
  const { status: _status, ...shown } = dryRun;
  const spec = mapAt(shown, "spec");
  const invented = object.kind === "Service" && object.apiVersion === "v1" && spec && !textAt(object, "spec", "clusterIP");
  return {
    ...shown,
    metadata: { ...shown.metadata, uid: unknown },
    ...(invented ? { spec: { ...spec, clusterIP: unknown, clusterIPs: unknown } } : {}),
  };
}

function renamed(object: KubeObject): KubeObject {
  const name = `${object.metadata.name ?? ""}-${suffix(5)}`.slice(-63).replace(/^[^a-z0-9]+/, "");
  return { ...object, metadata: { ...object.metadata, name } };
}

function mayTakeOver(session: Session, object: KubeObject): boolean {
  return isTrue(session.settings["upsertExistingObjects"]) || isTrue(pulumiAnnotation(object, "patchForce"));
}

function alreadyExists(object: KubeObject, id: string): ApiError {
  const ways = "import it, give it another name, or give a renamed resource an alias";
  return new ApiError(409, "AlreadyExists", `${object.kind} ${id} already exists: ${ways}`);
}

function notCreated(error: unknown, marks: JsonMap, object: KubeObject): Error {
  const reason = `${errorText(error)}${conflictHint(error)}`;
  return new Error(withoutSecrets(`${object.kind} ${objectId(object)} was not created by the Kubernetes API server: ${reason}`, marks));
}
