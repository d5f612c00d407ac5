/** `runtime.options` of Pulumi.yaml, PulumiPlugin.yaml and PulumiPolicy.yaml. */

export type Environment = Record<string, string | undefined>;

export interface RuntimeOptions {
  /** Arguments of node itself, before the script. */
  nodeArgs: string[];
  packageManager: string;
  /** What the SDK's runner reads its part of the options from. */
  environment: Environment;
}

/** @param given the options as the engine sends them; unknown ones are left alone, as the official host does */
export function runtimeOptions(given: Readonly<Record<string, unknown>>): RuntimeOptions {
  const environment: Environment = {};
  if (given["typescript"] !== false) {
    environment["PULUMI_NODEJS_TYPESCRIPT"] = "true";
  }
  if (typeof given["tsconfig"] === "string" && given["tsconfig"] !== "") {
    environment["PULUMI_NODEJS_TSCONFIG_PATH"] = given["tsconfig"];
  }
  const { packagemanager, nodeargs } = given;
  return {
    nodeArgs: typeof nodeargs === "string" ? splitWords(nodeargs) : [],
    packageManager: typeof packagemanager === "string" && packagemanager !== "" ? packagemanager : "npm",
    environment,
  };
}

/** Splits at spaces like a shell; quotes keep words together and go away: `--require "a b"` → two words. */
export function splitWords(text: string): string[] {
  const words = text.match(/(?:[^\s"']|"[^"]*"|'[^']*')+/g) ?? [];
  return words.map((word) => word.replace(/"([^"]*)"|'([^']*)'/g, (_all, double?: string, single?: string) => double ?? single ?? ""));
}

/** `KEY=value` pairs, as the engine sends a plugin's whole environment. */
export function parseEnvironment(pairs: readonly string[]): Environment {
  const split = pairs.map((pair): [string, string] => {
    const at = pair.indexOf("=");
    return at < 0 ? [pair, ""] : [pair.slice(0, at), pair.slice(at + 1)];
  });
  return Object.fromEntries(split);
}
