/** Zones and regions of nodes, pools and stores. */
import type { Problems } from "../../src/model/errors";

/** How one cloud names its zones. */
export interface ZoneRules {
  /** Whether the zone lies in the region. */
  belongs(zone: string, region: string): boolean;
  /** Some zone of the region, for messages. */
  example(region: string): string;
}

/** Notes a zone outside of the region. A zone that is no text has been noted before. */
export function checkZone(problems: Problems, path: string, zone: unknown, region: string, rules: ZoneRules): void {
  if (typeof zone === "string" && zone !== "" && !rules.belongs(zone, region)) {
    problems.add(path, zone, `a zone of the region ${region} is allowed, for example ${rules.example(region)}`);
  }
}

/** Notes a region that is not the provider's: one provider object makes nodes in one region. */
export function checkRegion(problems: Problems, path: string, region: string | undefined, providersRegion: string): void {
  if (region !== undefined && region !== providersRegion) {
    problems.add(path, region, `the provider makes nodes in ${providersRegion}; another region needs a provider of its own`);
  }
}

/** Notes a store's region that is the nodes' own: it would go down with them. */
export function checkOtherRegion(problems: Problems, path: string, region: string | undefined, nodesRegion: string): void {
  if (region === nodesRegion) {
    problems.add(path, region, "it is the region of the nodes; leave it out for a store beside them, or name another one");
  }
}
