/** Values of the wrong kind in the place of every value of an object: what plain JavaScript and YAML can hand over. */
const junk: readonly unknown[] = [null, 0, 1.5, "", "?", true, [], {}, [null], { key: "value" }];

/** `whole` with each of its values, at every depth, replaced by each kind of junk, one at a time. */
export function* withJunk(whole: unknown): Generator<unknown> {
  yield* junk;
  if (typeof whole === "object" && whole !== null) {
    for (const [key, value] of Object.entries(whole)) {
      for (const changed of withJunk(value)) {
        yield Array.isArray(whole)
          ? whole.map((item, index) => (String(index) === key ? changed : (item as unknown)))
          : { ...whole, [key]: changed };
      }
    }
  }
}

/** What a function throws, or undefined. */
export function thrownBy(run: () => unknown): unknown {
  try {
    run();
  } catch (error) {
    return error;
  }
  return undefined;
}
