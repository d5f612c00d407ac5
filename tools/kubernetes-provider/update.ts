/** Update: server-side apply over the live object; in preview the same as a dry run. */
import { type UpdateRequest, UpdateResponse } from "@pulumi/pulumi/proto/provider_pb";
import { errorText } from "../plugin/serve";
import { checkpoint, parseState } from "./checkpoint";
import type { Client } from "./client";
import { awaitReady } from "./create";
import { conflictHint, isForbidden, isNotFound, withoutSecrets } from "./errors";
import { type JsonMap, type KubeObject, mapsAt, objectId, textAt } from "./json";
import { ignoredPatterns, withIgnored } from "./paths";
import { fieldManagerOf, forcesPatch, needClient, type Session } from "./session";
import { foldStringData } from "./shape";
import { fromStruct, hasUnknown, toPlain, toStruct } from "./wire";

export async function update(session: Session, request: UpdateRequest): Promise<UpdateResponse> {
  const preview = request.getPreview();
  const properties = fromStruct(request.getNews());
  const object = toPlain(properties) as KubeObject;
  await session.journal.settle(request.getUrn(), request.getId());
  if (preview && (!session.client || hasUnknown(object) || !(await session.client.knownKind(object)))) {
    return new UpdateResponse().setProperties(toStruct(properties));
  }
  const old = parseState(fromStruct(request.getOlds()));
  const manager = fieldManagerOf(object, old.fieldManager);
  const state = (live: KubeObject): JsonMap => checkpoint(object, live, properties, old.initialApiVersion ?? object.apiVersion, manager);
  let live: KubeObject;
  try {
    live = await applyOver(session, object, manager, request.getIgnorechangesList(), preview);
  } catch (error) {
    if (preview && isForbidden(error)) {
      return new UpdateResponse().setProperties(toStruct(properties));
    }
    const hint = isNotFound(error) ? "; it was deleted outside Pulumi: run `pulumi refresh`" : conflictHint(error);
    throw new Error(withoutSecrets(`update of ${object.kind} ${objectId(object)} failed: ${errorText(error)}${hint}`, properties));
  }
  if (!preview) {
    live = await awaitReady(session, request.getUrn(), "updated", object, live, request.getTimeout(), state);
  }
  return new UpdateResponse().setProperties(toStruct(state(live)));
}

async function applyOver(
  session: Session,
  object: KubeObject,
  manager: string,
  ignored: readonly string[],
  dryRun: boolean,
): Promise<KubeObject> {
  const client = needClient(session);
  const before = await client.get(object);
  const folded = foldStringData(object) as KubeObject;
  const body = withIgnored(folded, before, ignoredPatterns(object, [...ignored])) as KubeObject;
  if (!dryRun) {
    await adoptFields(client, before, manager);
  }
  // The dry run cannot move ownership first, so it would show conflicts that the update does not have.
  const movesLater = dryRun && mapsAt(before, "metadata", "managedFields").some(isUpdateOfPulumi);
  return client.apply(body, manager, { dryRun, force: movesLater || forcesPatch(session, object) });
}

function isUpdateOfPulumi(entry: JsonMap): boolean {
  return entry["operation"] === "Update" && (textAt(entry, "manager") ?? "").startsWith("pulumi-");
}

/** Managers that made objects without server-side apply: the official provider's create, kubectl, and the server's word for "before". */
const earlierManagers = new Set(["pulumi-kubernetes", "pulumi-resource-kubernetes", "kubectl", "before-first-apply"]);

/**
 * Objects that the official provider created belong to its POST (operation Update). Unless that ownership becomes ours, a field that is removed from
 * the program would stay in the object.
 */
async function adoptFields(client: Client, live: KubeObject, manager: string): Promise<void> {
  const entries = mapsAt(live, "metadata", "managedFields");
  const position = entries.findIndex(
    (entry) => earlierManagers.has(textAt(entry, "manager") ?? "") && entry["operation"] === "Update" && !entry["subresource"],
  );
  const already = entries.some((entry) => entry["manager"] === manager && entry["operation"] === "Apply");
  if (position < 0 || already) {
    return;
  }
  const managedFields = entries.map((entry, index) => (index === position ? { ...entry, manager, operation: "Apply" } : entry));
  const patch = [
    { op: "replace", path: "/metadata/managedFields", value: managedFields },
    { op: "replace", path: "/metadata/resourceVersion", value: live.metadata.resourceVersion },
  ];
  await client.request("PATCH", await client.path(live), {}, patch, "application/json-patch+json");
}
