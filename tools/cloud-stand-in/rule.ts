/** What a stand-in knows of one type of resource: as little as planning and ordering need, and never more than the real provider does. */
import type { Json, JsonMap } from "../kubernetes-provider/json";
import type { World } from "./world";

export interface Rule {
  /**
   * Inputs whose change replaces the resource, list indices left out of the paths. Taken from the real provider's schema (its ForceNew properties, for Azure
   * the parts of the resource's path too).
   */
  replacedBy: readonly string[];
  /** The input that gets a name where the program gives none. Default: none. */
  autoname?: string;
  /** The id, from inputs and from digits that are this resource's own. */
  id: (inputs: JsonMap, digits: string) => string;
  /** The id is that of the resource it is a part of, so that naming it is no use of this one. Default: false. */
  part?: boolean;
  /** What the cloud adds to the inputs. Default: nothing. */
  outputs?: (made: Made) => JsonMap;
  /** Outputs that the real provider announces as unknown whenever the resource is updated. Default: none. */
  unknownOnUpdate?: readonly string[];
}

/** A resource as its outputs are computed. */
export interface Made {
  inputs: JsonMap;
  id: string;
  digits: string;
  /** Outputs before an update. */
  before?: JsonMap;
}

/** One provider. */
export interface Cloud {
  /** Name of the package, for example `aws`. */
  name: string;
  rules: Readonly<Record<string, Rule>>;
  /** Functions by token. */
  functions?: Readonly<Record<string, (args: JsonMap, world: World) => JsonMap>>;
  /** Separates the resource's name from the digits of an automatic name. */
  nameSeparator: string;
  /**
   * Outputs that stay known in the preview of an update: `all` but those of `unknownOnUpdate` (providers built on Terraform's), or inputs and these only
   * (azure-native, provider.go: "a limited list of outputs that are universally immutable").
   */
  keptInPreview: "all" | readonly string[];
  /**
   * Whether a replacement deletes first. `sameName`: only where the name stays (providers built on Terraform's); `always`: unless the name was automatic
   * (azure-native). The resource option `deleteBeforeReplace` is stronger than both.
   */
  deletesFirst: "sameName" | "always";
}

/** The text of an input; "" where it has none. */
export function text(inputs: JsonMap, name: string): string {
  const value: Json | undefined = inputs[name];
  return typeof value === "string" ? value : "";
}
