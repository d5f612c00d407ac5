/** The tests of what is outside of the cluster: each destination is called as it wants to be, or refused in preview with the reason. */
import { capabilities, featuresOf, type RouteFeature } from "../../src/model/routes";
import { checkFeature, featureSet, serveFeatures } from "./feature";
import { outsideFeatures } from "./features-outside";
import type { Referee } from "./referees";

/** Declares the tests. */
export function describeOutside(referee: () => Referee): void {
  const all = Object.entries(outsideFeatures);
  const refusals = (name: string): RouteFeature[] => {
    // The Gateway API refuses none of them, so its table tells what they use.
    const { table } = featureSet({ ...referee(), target: "gatewayApi" }, name, outsideFeatures[name]);
    const used = new Set(featuresOf(table).map(({ feature }) => feature));
    return [...used].filter((feature) => capabilities[feature][referee().target].support === "refused");
  };

  it("call what is outside of the cluster, with every condition true and nothing rejected", async () => {
    await serveFeatures(referee(), Object.fromEntries(all.filter(([name]) => refusals(name).length === 0)));
    expect(await referee().problems()).toEqual([]);
  });

  it.each(all.map(([name, { promise }]) => [name, promise]))("%s: %s, or say why not", async (name) => {
    const refused = refusals(name);
    if (refused.length === 0) return checkFeature(referee(), name, outsideFeatures[name]);
    for (const feature of refused) {
      const { target } = referee();
      expect(() => featureSet(referee(), name, outsideFeatures[name])).toThrow(
        `not with the target ${target}: ${capabilities[feature][target].reason}`,
      );
    }
  });
}
