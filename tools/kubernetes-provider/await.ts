/** Waiting: for an object to become ready, and for a deleted one to be gone. */
import type { Client, ObjectRef } from "./client";
import { errorText } from "../plugin/serve";
import { type KubeObject, mapsAt, objectId, textAt, valueAt } from "./json";
import { pending } from "./ready";

export interface Wait {
  /** Seconds until the wait fails. */
  seconds: number;
  /** True once the user has asked the engine to stop. */
  cancelled: () => boolean;
  /** Shows progress beside the resource. */
  progress: (text: string) => void;
}

/** Pauses between polls grow from the first to the last, in milliseconds: quick for what is ready soon, cheap for what is not. */
const firstPauseMs = 100;
const lastPauseMs = 2000;

/** Resolves with the ready object. `seen` gets every object on the way, so that the newest is known also when this throws. */
export async function untilReady(client: Client, object: KubeObject, wait: Wait, seen: (live: KubeObject) => void): Promise<KubeObject> {
  const look = async (): Promise<KubeObject | string> => {
    const live = await client.find(object);
    if (!live) {
      throw new Error("it was deleted in the meantime");
    }
    seen(live);
    return (await pending(client, live)) ?? live;
  };
  try {
    return await poll(wait, `${object.kind} ${objectId(object)} to be ready`, look);
  } catch (error) {
    throw new Error([errorText(error), ...(await warningsAbout(client, object))].join("\n    "));
  }
}

/** Resolves when the object, or a later one of the same name, is all that is left. */
export async function untilGone(client: Client, object: ObjectRef, wait: Wait): Promise<void> {
  await poll(wait, `${object.kind} ${objectId(object)} to be deleted`, async () => {
    const live = await client.find(object);
    if (!live || (object.metadata.uid && live.metadata.uid !== object.metadata.uid)) {
      return true;
    }
    const finalizers = [valueAt(live, ["metadata", "finalizers"]), valueAt(live, ["spec", "finalizers"])].flatMap((list) =>
      isTexts(list) ? list : [],
    );
    const reasons = mapsAt(live, "status", "conditions").flatMap((each) =>
      each["status"] === "True" ? [textAt(each, "message") ?? ""] : [],
    );
    return ["being deleted", finalizers.length > 0 ? `finalizers ${finalizers.join(", ")}` : "", ...reasons].filter(Boolean).join("; ");
  });
}

/** Calls `step` until it gives something other than a text; a text says what it waits for. */
async function poll<T>(wait: Wait, what: string, step: () => Promise<T | string>): Promise<T> {
  const end = Date.now() + wait.seconds * 1000;
  let shown = "";
  for (let pause = firstPauseMs; ; pause = Math.min(pause * 1.5, lastPauseMs)) {
    const result = await step();
    if (typeof result !== "string") {
      return result;
    }
    if (result !== shown) {
      wait.progress(result);
      shown = result;
    }
    if (wait.cancelled() || Date.now() > end) {
      const reason = wait.cancelled() ? "cancelled" : `timed out after ${wait.seconds} s`;
      throw new Error(`${reason} waiting for ${what}: ${result}`);
    }
    await new Promise((resolve) => setTimeout(resolve, pause));
  }
}

/** Why pods do not come is said in events of the object or of what it owns: a failing webhook, an exceeded quota, an image that is not there. */
async function warningsAbout(client: Client, object: KubeObject): Promise<string[]> {
  const { namespace, name } = object.metadata;
  if (!namespace || !name) {
    return [];
  }
  const query = { fieldSelector: "type=Warning", limit: "500" };
  const events = await client.request("GET", `/api/v1/namespaces/${namespace}/events`, query).catch(() => ({}));
  const about = mapsAt(events, "items").filter((event) => {
    const subject = textAt(event, "involvedObject", "name") ?? "";
    return subject === name || subject.startsWith(`${name}-`);
  });
  const texts = about.map(
    (event) => `${textAt(event, "involvedObject", "kind")} ${textAt(event, "involvedObject", "name")}: ${textAt(event, "message")}`,
  );
  return [...new Set(texts)].slice(-3);
}

function isTexts(value: unknown): value is string[] {
  return Array.isArray(value) && value.every((item) => typeof item === "string");
}
