/** Delete: removes the object and waits until it is gone. */
import type { DeleteRequest } from "@pulumi/pulumi/proto/provider_pb";
import { untilGone } from "./await";
import { parseState } from "./checkpoint";
import type { ObjectRef } from "./client";
import { errorText } from "../plugin/serve";
import { ApiError, isNotFound, NoKindError } from "./errors";
import { mapAt, pulumiAnnotation } from "./json";
import { kindOfUrn, log, needClient, type Session, skipsAwait, waitOf } from "./session";
import { fromStruct } from "./wire";

export async function remove(session: Session, request: DeleteRequest): Promise<void> {
  const { inputs, live } = parseState(fromStruct(request.getProperties()));
  const client = needClient(session);
  const [name = "", namespace] = request.getId().split("/").reverse();
  const metadata = { ...mapAt(live, "metadata"), name, ...(namespace ? { namespace } : {}) };
  const target = { ...kindOfUrn(request.getUrn()), ...live, metadata } as ObjectRef;
  const policy = pulumiAnnotation(inputs, "deletionPropagationPolicy") ?? "Foreground";
  await session.journal.settle(request.getUrn(), request.getId());
  try {
    await client.remove(target, `${policy.charAt(0).toUpperCase()}${policy.slice(1)}`);
  } catch (error) {
    if (error instanceof NoKindError || isNotFound(error)) {
      return;
    }
    if (error instanceof ApiError && error.code === 409 && /precondition/i.test(error.message)) {
      // The uid goes along: an object of the same name that was made since is not ours to delete (pulumi-kubernetes#4522).
      log(
        session,
        "WARNING",
        request.getUrn(),
        `${target.kind} ${request.getId()} is another object by now, it was left alone: ${errorText(error)}`,
      );
      return;
    }
    throw error;
  }
  if (!skipsAwait(inputs)) {
    await untilGone(client, target, waitOf(session, request.getUrn(), inputs, request.getTimeout()));
  }
}
