/** Read: for refresh, import and `Kind.get(name, id)`. An empty answer says that the object is not there. */
import { type ReadRequest, ReadResponse } from "@pulumi/pulumi/proto/provider_pb";
import { errorText } from "../plugin/serve";
import { annotateSecrets, checkpoint, parseState } from "./checkpoint";
import type { Client } from "./client";
import { NoKindError, NotReadyError } from "./errors";
import { type JsonMap, type KubeObject, mapAt, objectId } from "./json";
import { pending } from "./ready";
import { fieldManagerOf, kindOfUrn, needClient, type Session, skipsAwait } from "./session";
import { pruneMap, withoutServerMetadata } from "./shape";
import { fromStruct, toPlain, toStruct } from "./wire";

const lastApplied = "kubectl.kubernetes.io/last-applied-configuration";

export async function read(session: Session, request: ReadRequest): Promise<ReadResponse> {
  const client = needClient(session);
  const state = parseState(fromStruct(request.getProperties()));
  const marks = fromStruct(request.getInputs());
  const inputs = toPlain(marks);
  await session.journal.settle(request.getUrn(), request.getId());
  const [name = "", namespace] = request.getId().split("/").reverse();
  const target = {
    ...kindOfUrn(request.getUrn()),
    ...inputs,
    metadata: { ...mapAt(inputs, "metadata"), name, ...(namespace ? { namespace } : {}) },
  } as KubeObject;
  const live = await findKnown(client, target);
  if (!live) {
    return new ReadResponse();
  }
  // Without inputs the whole object is what the program is taken to have said: an import, or a resource that is only read.
  const found = inputs["kind"] === undefined ? importedInputs(live) : pruneMap(live, inputs);
  const manager = fieldManagerOf(target, state.fieldManager);
  const properties = checkpoint(found, live, marks, state.initialApiVersion ?? target.apiVersion, manager);
  const readInputs = annotateSecrets(found, marks);
  const problem = skipsAwait(target) ? undefined : await unready(client, live);
  if (problem) {
    throw new NotReadyError(`${live.kind} ${objectId(live)} is not ready: ${problem}`, request.getId(), properties, readInputs);
  }
  return new ReadResponse().setId(request.getId()).setProperties(toStruct(properties)).setInputs(toStruct(readInputs));
}

/** A kind that the API server does not serve has no objects. */
async function findKnown(client: Client, target: KubeObject): Promise<KubeObject | undefined> {
  try {
    return await client.find(target);
  } catch (error) {
    if (error instanceof NoKindError) {
      return undefined;
    }
    throw error;
  }
}

/** Why the object is not ready now: the engine keeps that in the state, so that a refresh does not heal a failed update. */
async function unready(client: Client, live: KubeObject): Promise<string | undefined> {
  try {
    return await pending(client, live);
  } catch (error) {
    return errorText(error);
  }
}

function importedInputs(live: KubeObject): JsonMap {
  const { status: _status, ...inputs } = withoutServerMetadata(live);
  delete mapAt(inputs, "metadata", "annotations")?.[lastApplied];
  return inputs;
}
