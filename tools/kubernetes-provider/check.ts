/** Check: inputs as the program wrote them → inputs as they are compared and stored: kind, name and namespace filled in. */
import { CheckFailure, type CheckRequest, CheckResponse } from "@pulumi/pulumi/proto/provider_pb";
import { isTrue, type JsonMap, mapAt, pulumiAnnotation, setPulumiAnnotation, textAt } from "./json";
import { annotateSecrets } from "./checkpoint";
import { kindOfUrn, type Session, suffix } from "./session";
import { withoutServerMetadata } from "./shape";
import { fromStruct, toPlain, toStruct, unknown } from "./wire";

/** pulumirpc.CheckRequest.AutonamingOptions.Mode.DISABLE */
const autonamingDisabled = 2;

export async function check(session: Session, request: CheckRequest): Promise<CheckResponse> {
  const response = new CheckResponse();
  const fail = (property: string, reason: string): void => {
    response.addFailures(new CheckFailure().setProperty(property).setReason(reason));
  };
  const news = fromStruct(request.getNews());
  const olds = toPlain(fromStruct(request.getOlds()));
  if (Object.keys(olds).length > 0) {
    session.known.add(request.getUrn());
  }
  const type = kindOfUrn(request.getUrn());
  const object: JsonMap = { ...type, ...withoutServerMetadata(toPlain(news)) };
  if (type.kind !== object["kind"]) {
    // ConfigMapPatch and the like: the type says Patch, the object does not.
    fail("kind", `${type.kind} resources are not supported by the stand-in provider`);
  }
  if (object["metadata"] !== unknown) {
    object["metadata"] = { ...mapAt(object, "metadata") };
    name(object, olds, request, fail);
    await place(session, object);
  }
  return response.setInputs(toStruct(annotateSecrets(object, news)));
}

/** Gives a name where the program gave none: the old one, else a new one after the resource's name. */
function name(object: JsonMap, olds: JsonMap, request: CheckRequest, fail: (property: string, reason: string) => void): void {
  const metadata = mapAt(object, "metadata");
  if (!metadata || metadata["name"]) {
    return;
  }
  const oldName = isTrue(pulumiAnnotation(olds, "autonamed")) ? textAt(olds, "metadata", "name") : undefined;
  const autonaming = request.getAutonaming();
  if (metadata["generateName"]) {
    fail("metadata.generateName", "is not supported with server-side apply");
  } else if (!oldName && Number(autonaming?.getMode() ?? 0) === autonamingDisabled) {
    fail("metadata.name", "must be set: automatic names are disabled");
  }
  const proposed = autonaming?.getProposedName();
  const ownName = request.getUrn().split("::").at(-1) ?? "";
  metadata["name"] = oldName ?? (proposed || `${ownName}-${suffix(8, request.getRandomseed_asU8())}`);
  setPulumiAnnotation(object, "autonamed", "true");
}

/** Puts a namespaced object that names no namespace into the provider's default one. */
async function place(session: Session, object: JsonMap): Promise<void> {
  const metadata = mapAt(object, "metadata");
  if (metadata && !metadata["namespace"]) {
    const kind = await session.client?.knownKind(object);
    // A kind that is not there yet (its definition is created in the same update) is taken for a namespaced one.
    if (kind?.namespaced ?? true) {
      metadata["namespace"] = session.defaultNamespace;
    }
  }
}
