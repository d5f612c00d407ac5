/** The stack's configuration: from Pulumi.<stack>.yaml to typed args, with every wrong key named. */
import * as fs from "node:fs";
import { createRequire } from "node:module";
import * as path from "node:path";
import type { AwsProviderOptions } from "../providers/aws";
import type { AzureProviderOptions } from "../providers/azure";
import { existingProvider, type ExistingProviderOptions } from "../providers/existing";
import type { GcpProviderOptions } from "../providers/gcp";
import { localProvider } from "../providers/local";
import type { NodeProvider } from "../providers/provider";
import { type ComputeMeshArgs, lockFile, model } from "../src";

/** Where the program deploys to; exactly one member. */
export interface StackCloud {
  local?: Record<string, unknown>;
  existing?: ExistingProviderOptions;
  aws?: AwsProviderOptions;
  gcp?: GcpProviderOptions;
  azure?: AzureProviderOptions;
}

/** What the program of this folder deploys. */
export interface StackSettings {
  /** Name of the mesh. Default: `mesh`. */
  name: string;
  cloud: StackCloud;
  args: ComputeMeshArgs;
}

const cloudNames = ["local", "existing", "aws", "gcp", "azure"] as const;

// A stack loads the SDK of its own cloud and no other: each is as large as the rest of the program together.
const load = createRequire(__filename);

const projectRoot = path.resolve(__dirname, "..");
/** Folder of the embedded clusters, made by `npm run cluster -- up`. */
const clusters = path.join(projectRoot, ".compute-mesh", "clusters");

/** What a reader of the configuration knows beside it. */
export interface StackContext {
  /** Name of the stack, for messages. Default: `local`. */
  stack?: string;
  /** No cluster is needed, because nothing is deployed. Default: false. */
  offline?: boolean;
}

/**
 * Reads and checks the configuration. What is inside `mesh` is checked by ComputeMesh itself; its `shards.lock` is the name of the lock file in this
 * project's folder.
 *
 * @param values key without the project's prefix → text, as Pulumi hands it to a program
 * @throws MeshInputError with every unknown or wrong key
 */
export function readStackSettings(values: Record<string, string>, context: StackContext = {}): StackSettings {
  const problems = new model.Problems("stack configuration");
  model.checkKnownKeys(problems, "", values, ["name", "cloud", "mesh"]);
  const cloud = readObject(problems, "cloud", values["cloud"], "{ local: {} }");
  const nodeProvider = readCloud(problems, cloud, context);
  const mesh = readObject(problems, "mesh", values["mesh"], "the args of ComputeMesh: nodes, shards, topics, kafka, …");
  if (mesh && "nodeProvider" in mesh) {
    problems.add("mesh.nodeProvider", mesh["nodeProvider"], "it is chosen by the key `cloud`");
  }
  problems.throwIfAny();
  const args = { ...(mesh as unknown as ComputeMeshArgs), nodeProvider: nodeProvider as NodeProvider };
  return { name: values["name"] ?? "mesh", cloud: cloud as StackCloud, args: withLockFile(args, context.stack ?? "local") };
}

/** The mesh with the content of its lock file in the place of the file's name. */
function withLockFile(args: ComputeMeshArgs, stack: string): ComputeMeshArgs {
  const lock: unknown = (args.shards as ComputeMeshArgs["shards"] | undefined)?.lock;
  return typeof lock === "string"
    ? { ...args, shards: { ...args.shards, lock: lockFile(path.join(projectRoot, lock), `npm run placement -- update --stack ${stack}`) } }
    : args;
}

function readCloud(problems: model.Problems, cloud: Record<string, unknown> | undefined, context: StackContext): NodeProvider | undefined {
  if (!cloud) {
    return undefined;
  }
  model.checkKnownKeys(problems, "cloud", cloud, cloudNames);
  const chosen = model.exactlyOne(problems, "cloud", cloud, cloudNames) as (typeof cloudNames)[number] | undefined;
  switch (chosen) {
    case undefined:
      return undefined;
    case "local":
      return readLocal(problems, cloud["local"], context.offline ?? false);
    default:
      return readOptions(problems, `cloud.${chosen}`, cloud[chosen], makers[chosen]);
  }
}

/** The node provider of each cloud; the path of an import stays whole, so that editors and searches find it. */
const makers: Record<Exclude<keyof StackCloud, "local">, (options: unknown) => NodeProvider> = {
  existing: (options) => existingProvider(options as ExistingProviderOptions),
  aws: (options) => (load("../providers/aws") as typeof import("../providers/aws")).awsProvider(options as AwsProviderOptions),
  gcp: (options) => (load("../providers/gcp") as typeof import("../providers/gcp")).gcpProvider(options as GcpProviderOptions),
  azure: (options) => (load("../providers/azure") as typeof import("../providers/azure")).azureProvider(options as AzureProviderOptions),
};

/** What is wrong with the options of a cloud is a problem of the configuration like any other. */
function readOptions(
  problems: model.Problems,
  path: string,
  options: unknown,
  make: (options: unknown) => NodeProvider,
): NodeProvider | undefined {
  if (!model.checkObject(problems, path, options)) {
    return undefined;
  }
  try {
    return make(options);
  } catch (error) {
    if (!(error instanceof model.MeshInputError)) {
      throw error;
    }
    problems.addAll(path, error.problems);
    return undefined;
  }
}

/** The embedded cluster of this machine; its kubeconfig is where the tool chain put it. */
function readLocal(problems: model.Problems, local: unknown, offline: boolean): NodeProvider | undefined {
  if (!model.checkObject(problems, "cloud.local", local)) {
    return undefined;
  }
  model.checkKnownKeys(problems, "cloud.local", local, ["cluster", "region", "kubeconfigPath"]);
  const { cluster = "local", region = "local-1", kubeconfigPath } = local;
  const named = model.checkDnsLabel(problems, "cloud.local.cluster", cluster);
  const placed = model.checkDnsLabel(problems, "cloud.local.region", region);
  const file = kubeconfigPath ?? (named ? path.join(clusters, cluster, "kubeconfig") : undefined);
  if (named && placed && offline) {
    return localProvider({ kubeconfig: "offline", clusterName: cluster, region });
  }
  const found = typeof file === "string" && fs.existsSync(file);
  if (kubeconfigPath !== undefined && !found) {
    problems.add("cloud.local.kubeconfigPath", kubeconfigPath, "the path of a kubeconfig is allowed, and there is no such file");
  } else if (named && !found) {
    problems.add("cloud.local.cluster", cluster, `no such cluster is up: start it with \`npm run cluster -- up --name ${cluster}\``);
  }
  return named && placed && found ? localProvider({ kubeconfig: fs.readFileSync(file, "utf8"), clusterName: cluster, region }) : undefined;
}

function readObject(problems: model.Problems, key: string, text: string | undefined, allowed: string): Record<string, unknown> | undefined {
  let value: unknown;
  try {
    value = text === undefined ? undefined : JSON.parse(text);
  } catch {
    value = text; // a plain word: reported below as no object
  }
  if (typeof value === "object" && value !== null && !Array.isArray(value)) {
    return value as Record<string, unknown>;
  }
  problems.add(key, value, `an object is allowed: ${allowed}`);
  return undefined;
}
