/**
 * Spreads things over pages of limited size so that a page's key depends on the names in it alone, never on positions.
 *
 * Extendible hashing (Fagin et al., 1979): everything is on one page with the key ""; a page that is too full is split by the next bit of its things'
 * hashes into the pages `0` and `1`, and so on. So adding or removing one thing changes its own page, at worst splits or joins that one.
 */
import { createHash } from "node:crypto";

/** One page: `key` is "" or a string of the digits 0 and 1. */
export interface Page<T> {
  key: string;
  things: T[];
}

/**
 * @param nameOf a name of each thing, unique
 * @param fits whether things fit on one page; must hold for any single thing
 */
export function splitByName<T>(things: readonly T[], nameOf: (thing: T) => string, fits: (things: readonly T[]) => boolean): Page<T>[] {
  const hashed = things.map((thing) => ({ thing, bits: hashBits(nameOf(thing)) }));
  const split = (part: typeof hashed, key: string): Page<T>[] => {
    const page = { key, things: part.map(({ thing }) => thing) };
    if (part.length <= 1 || fits(page.things)) {
      return part.length === 0 ? [] : [page];
    }
    return ["0", "1"].flatMap((bit) =>
      split(
        part.filter(({ bits }) => bits[key.length] === bit),
        `${key}${bit}`,
      ),
    );
  };
  return split(hashed, "");
}

function hashBits(text: string): string {
  return [...createHash("sha256").update(text).digest()].map((byte) => byte.toString(2).padStart(8, "0")).join("");
}
