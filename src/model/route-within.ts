/** Whether one match takes everything that another one takes. */
import { pathWithin, valueWithin } from "./route-patterns";
import type { AtomicMatch, ValueMatch } from "./route-table";

/** Whether `outer` takes every request that `inner` takes, as far as that can be found out. */
export function within(inner: AtomicMatch, outer: AtomicMatch): boolean {
  return (
    (outer.method === undefined || outer.method === inner.method) &&
    conditionsWithin(inner.headers, outer.headers) &&
    conditionsWithin(inner.query, outer.query) &&
    pathWithin(inner.path, outer.path)
  );
}

function conditionsWithin(inner: readonly ValueMatch[], outer: readonly ValueMatch[]): boolean {
  return outer.every((condition) => {
    const own = inner.find(({ name }) => name === condition.name);
    return own !== undefined && valueWithin(own, condition);
  });
}
