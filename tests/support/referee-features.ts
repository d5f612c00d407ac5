/** One feature after the other through a referee: what random models cannot show. */
import type { Feature } from "./feature";
import { flowFeatures } from "./features-flow";
import { protocolFeatures } from "./features-protocol";
import { wholeFeatures } from "./features-whole";

/** The features, by name. */
export const features: Record<string, Feature> = { ...flowFeatures, ...protocolFeatures, ...wholeFeatures };
