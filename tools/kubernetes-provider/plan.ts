/** Diff: what an update would change, and whether it replaces the object. */
import { type DiffRequest, DiffResponse, PropertyDiff } from "@pulumi/pulumi/proto/provider_pb";
import { parseState, type ObjectState } from "./checkpoint";
import { type Change, diff } from "./diff";
import { isTrue, type JsonMap, type KubeObject, mapAt, pulumiAnnotation, textAt } from "./json";
import { covers, ignoredPatterns, pathText, type Pattern, withIgnored } from "./paths";
import { deletesFirst, immutablePaths, type MutableData, replaces } from "./replace";
import { mutableData, type Session } from "./session";
import { foldStringData, normalise, pruneMap } from "./shape";
import { fromStruct, hasUnknown, toPlain } from "./wire";

export interface Plan {
  readonly changes: readonly Change[];
  /** The changes that replace the object. */
  readonly forced: readonly Change[];
  readonly deleteBeforeReplace: boolean;
}

/**
 * Compares the live state, cut down to what the program last said, with what it says now: a field changed by others counts, one added by others
 * does not.
 *
 * @param namespaced false for kinds without namespaces
 */
export function plan(state: ObjectState, object: JsonMap, ignored: readonly Pattern[], mutable: MutableData, namespaced: boolean): Plan {
  const live = normalise(state.live);
  const before = withDefaults(normalise(pruneMap(live, normalise(state.inputs))), namespaced);
  const after = withDefaults(withIgnored(normalise(object), before, ignored), namespaced);
  const metadata = mapAt(before, "metadata");
  if (metadata && textAt(after, "metadata", "name") !== undefined) {
    metadata["name"] = textAt(live, "metadata", "name");
  }
  before["apiVersion"] ??= after["apiVersion"];
  before["kind"] ??= after["kind"];
  const changes = diff(before, after).filter((change) => !ignored.some((pattern) => covers(pattern, change.path)));
  const paths = immutablePaths(before, mutable);
  const forced = changes.filter((change) => replaces(paths, change));
  const autonamed = isTrue(pulumiAnnotation(after, "autonamed"));
  const placed = withDefaults(live, namespaced);
  return { changes, forced, deleteBeforeReplace: forced.length > 0 && deletesFirst(placed, after, autonamed) };
}

export async function diffResource(session: Session, request: DiffRequest): Promise<DiffResponse> {
  session.known.add(request.getUrn());
  await session.journal.settle(request.getUrn(), request.getId());
  const state = parseState(fromStruct(request.getOlds()));
  const object = foldStringData(toPlain(fromStruct(request.getNews())));
  const ignored = ignoredPatterns(object, request.getIgnorechangesList());
  const kind = hasUnknown(object["apiVersion"]) || hasUnknown(object["kind"]) ? undefined : await session.client?.knownKind(object);
  const found = plan(state, object, ignored, mutableData(session), kind?.namespaced ?? true);
  const sameToServer =
    kind !== undefined &&
    found.forced.length === 0 &&
    (await meansTheSame(session, state, withIgnored(object, state.live, ignored), found.changes));
  return diffAnswer(sameToServer ? { ...found, changes: [] } : found);
}

/** Asks the server whether a change of form is a change of meaning: "0.5" and "500m", empty maps, defaults written out. */
async function meansTheSame(session: Session, state: ObjectState, object: JsonMap, changes: readonly Change[]): Promise<boolean> {
  const removes = changes.some((change) => change.kind === "delete");
  if (changes.length === 0 || removes || !session.client || !state.fieldManager || hasUnknown(object)) {
    return false;
  }
  const target = object as KubeObject;
  try {
    const [live, after] = await Promise.all([
      session.client.find(target),
      session.client.apply(target, state.fieldManager, { dryRun: true, force: true }),
    ]);
    return live !== undefined && diff(pruneMap(normalise(live), object), pruneMap(normalise(after), object)).length === 0;
  } catch {
    // The same error comes again, and is shown, in the preview of Update.
    return false;
  }
}

/** The answer to Diff. */
export function diffAnswer(found: Plan): DiffResponse {
  const response = new DiffResponse();
  for (const change of found.changes) {
    const forced = found.forced.includes(change);
    const { Kind } = PropertyDiff;
    const kinds = {
      add: forced ? Kind.ADD_REPLACE : Kind.ADD,
      delete: forced ? Kind.DELETE_REPLACE : Kind.DELETE,
      update: forced ? Kind.UPDATE_REPLACE : Kind.UPDATE,
    };
    // What is deleted exists only in the old inputs, everything else in the new ones.
    response
      .getDetaileddiffMap()
      .set(pathText(change.path), new PropertyDiff().setKind(kinds[change.kind]).setInputdiff(change.kind === "delete"));
  }
  response.setHasdetaileddiff(true);
  response.setChanges(found.changes.length > 0 ? DiffResponse.DiffChanges.DIFF_SOME : DiffResponse.DiffChanges.DIFF_NONE);
  response.setReplacesList(found.forced.map((change) => pathText(change.path)));
  response.setDeletebeforereplace(found.deleteBeforeReplace);
  return response;
}

/** "default" written out, or no namespace at all for kinds that have none. */
function withDefaults(object: JsonMap, namespaced: boolean): JsonMap {
  const metadata = object["metadata"];
  if (metadata !== undefined && mapAt(object, "metadata") === undefined) {
    return object;
  }
  const { namespace, ...rest } = mapAt(object, "metadata") ?? {};
  return { ...object, metadata: namespaced ? { ...rest, namespace: namespace || "default" } : rest };
}
