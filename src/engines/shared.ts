/** What the engines check and compute alike. */
import { checkQuantity } from "../model/checks";
import { joinPath, keyPath, type Problems } from "../model/errors";
import { pinnedImageProblem } from "../model/images";
import type { EngineRequest, MemoryItem } from "./engine";

/** One MiB in bytes. */
export const mebibyte = 1024 ** 2;

/** Checks `image` and `database` of an engine's args. */
export function checkImageAndDatabase(problems: Problems, path: string, args: { image?: string; database?: string }): void {
  const image = args.image === undefined ? undefined : pinnedImageProblem(args.image);
  if (image !== undefined) {
    problems.add(joinPath(path, "image"), args.image, image);
  }
  if (args.database !== undefined && !(typeof args.database === "string" && /^[a-z_][a-z0-9_]{0,62}$/.test(args.database))) {
    problems.add(joinPath(path, "database"), args.database, "lower-case letters, digits and underscores are allowed, at most 63");
  }
}

/** A given size in bytes, or undefined where none (or no valid one) is given. */
export function givenSize(problems: Problems, path: string, value: string | undefined, min: number): number | undefined {
  return value === undefined ? undefined : checkQuantity(problems, path, value, { min });
}

/** What is known of the names of an engine's settings. */
export interface SettingRules {
  /** How the engine writes them. */
  pattern: RegExp;
  /** The pattern in words, for example "the name of a valkey.conf directive". */
  kind: string;
  /** Settings that decide whether the component works at all. */
  owned: ReadonlySet<string>;
}

/** Checks the user's extra settings: names as the engine writes them, values of one line, and none that the component decides. */
export function checkSettings(
  problems: Problems,
  settings: Readonly<Record<string, unknown>>,
  { pattern, kind, owned }: SettingRules,
): void {
  for (const [key, value] of Object.entries(settings)) {
    const path = keyPath("settings", key);
    if (!pattern.test(key)) {
      problems.add(path, value, `${kind} is allowed: lower-case letters, digits and its separators`);
    } else if (owned.has(key)) {
      problems.add(
        path,
        value,
        "the component decides this setting; sizes are arguments of the engine and of storage, certificates are tls",
      );
    } else if (typeof value !== "string" || /[\r\n]/.test(value)) {
      problems.add(path, value, 'one line of text is allowed, for example "1" or "64mb"');
    }
  }
}

/** Refuses a backing store where the engine has no continuous archive. */
export function refuseBacking(problems: Problems, request: EngineRequest): void {
  if (request.backing !== undefined) {
    problems.add(
      "backingStore",
      "a backing store",
      "it is for PostgreSQL only, which archives its log continuously; databases of this engine come back from the newest snapshot and Kafka",
    );
  }
}

/** The tmpfs as an item, where there is one. */
export function tmpfsItem(request: EngineRequest): MemoryItem[] {
  return request.tmpfsBytes === undefined ? [] : [{ what: "tmpfs", bytes: request.tmpfsBytes }];
}

/** Sorted `name = value` lines; `line` writes one. */
export function settingLines(settings: Readonly<Record<string, string>>, line: (name: string, value: string) => string): string {
  return Object.entries(settings)
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([name, value]) => `${line(name, value)}\n`)
    .join("");
}

/** Rounded down to whole MiB. */
export function wholeMebibytes(bytes: number): number {
  return Math.floor(bytes / mebibyte) * mebibyte;
}

/** `value` within its bounds. */
export function clamp(value: number, least: number, most: number): number {
  return Math.min(most, Math.max(least, value));
}
