/** The environment in which `pulumi` runs: pinned CLI, files inside the checkout only, and stand-ins for plugins that cannot be had. */
import { execFile } from "node:child_process";
import { existsSync, realpathSync, rmSync } from "node:fs";
import { delimiter, dirname, join } from "node:path";
import { promisify } from "node:util";
import { downloadsOff, reachable } from "./download";
import { messageOf, readJson, writeAtomic } from "./files";
import { findAllOnPath } from "./path-lookup";
import { privateFolder, projectRoot, stateDir } from "./paths";
import { kubernetesPluginVersion } from "./pins";
import { startProgress } from "./progress";
import { resolveTool } from "./resolve";

/** Folders of the launchers of our own plugins; one each, so that only the missing one is put on PATH. */
export const standInFolders = {
  languageHost: join(projectRoot, "tools", "bin", "language-host"),
  kubernetesProvider: join(projectRoot, "tools", "bin", "kubernetes-provider"),
};

/** Which plugins are the official ones. */
export interface PulumiPlugins {
  languageHost: "official" | "stand-in";
  kubernetesProvider: "official" | "stand-in";
  /** Why the official Kubernetes plugin is not used. */
  reason?: string;
}

/** What is needed to run `pulumi`. */
export interface PulumiSetup {
  /** Path of the CLI. */
  binary: string;
  plugins: PulumiPlugins;
  /** Folders put in front of PATH. */
  pathFolders: string[];
  /** Variables on top of the user's own, without PATH. */
  variables: Record<string, string>;
}

/** Passphrase of stacks on this machine, where the user sets none: their state lies in a folder that only its owner can read. */
const localPassphrase = "compute-mesh-local";

/**
 * The URL of a Pulumi backend in a folder. Without `metadata=skip` every file has a sidecar with the ending `.attrs`, which is not written atomically as
 * the state itself is: an engine killed in that moment leaves an empty one, and the state cannot be read ("failed to load checkpoint: EOF").
 */
export function fileBackend(folder: string): string {
  return `file://${folder}?metadata=skip`;
}

let setup: Promise<PulumiSetup> | undefined;

/** Gets the CLI and decides about plugins; once per process. */
export function pulumiSetup(): Promise<PulumiSetup> {
  setup ??= makeSetup().catch((error: unknown) => {
    setup = undefined;
    throw error;
  });
  return setup;
}

async function makeSetup(): Promise<PulumiSetup> {
  const tool = await resolveTool("pulumi");
  // The engine looks for its bundled plugins beside the binary that a link on PATH leads to.
  const binary = realpathSync(tool.binaries["pulumi"]);
  const home = privateFolder(join(privateFolder(stateDir), "pulumi"));
  const variables: Record<string, string> = {
    PULUMI_HOME: home,
    PULUMI_BACKEND_URL: fileBackend(privateFolder(join(stateDir, "state"))),
    PULUMI_SKIP_UPDATE_CHECK: "true",
    ...(process.env.PULUMI_CONFIG_PASSPHRASE === undefined &&
      !process.env.PULUMI_CONFIG_PASSPHRASE_FILE && { PULUMI_CONFIG_PASSPHRASE: localPassphrase }),
  };
  // A host of another version on PATH is worse than none (policy packs and hooks fail with an old one): only the one that came with the CLI counts.
  const languageHost = existsSync(join(dirname(binary), "pulumi-language-nodejs")) ? "official" : "stand-in";
  const kubernetes = await kubernetesPlugin(binary, home, variables);
  const plugins: PulumiPlugins = {
    languageHost,
    kubernetesProvider: kubernetes.plugin,
    ...(kubernetes.reason && { reason: kubernetes.reason }),
  };
  const pathFolders = [dirname(binary)];
  if (languageHost === "stand-in") pathFolders.push(standInFolders.languageHost);
  if (kubernetes.plugin === "stand-in") pathFolders.push(standInFolders.kubernetesProvider);
  // Otherwise every command would try the download that is known to fail.
  if (pathFolders.length > 1) variables["PULUMI_DISABLE_AUTOMATIC_PLUGIN_ACQUISITION"] = "true";
  return { binary, plugins, pathFolders, variables };
}

const pluginName = "pulumi-resource-kubernetes";
const retryAfterMilliseconds = 3600 * 1000;

async function kubernetesPlugin(
  binary: string,
  home: string,
  variables: Record<string, string>,
): Promise<{ plugin: "official" | "stand-in"; reason?: string }> {
  const installed = join(home, "plugins", `resource-kubernetes-v${kubernetesPluginVersion}`, pluginName);
  if (existsSync(installed)) return { plugin: "official" };
  if (findAllOnPath(pluginName).some((file) => dirname(realpathSync(file)) !== standInFolders.kubernetesProvider))
    return { plugin: "official" };
  const off = downloadsOff();
  if (off !== undefined) return { plugin: "stand-in", reason: `downloads: ${off}` };
  const memory = join(home, "kubernetes-plugin-failure.json");
  const failure = readJson<{ at: string; version: string; reason: string }>(memory);
  if (failure?.version === kubernetesPluginVersion && Date.now() - Date.parse(failure.at) < retryAfterMilliseconds) {
    return { plugin: "stand-in", reason: `${failure.reason} (tried ${failure.at}; tried again an hour later)` };
  }
  try {
    await reachable("https://get.pulumi.com/");
    const progress = startProgress(`installing the Pulumi plugin kubernetes ${kubernetesPluginVersion}`);
    try {
      const env = { ...process.env, ...variables };
      await promisify(execFile)(binary, ["plugin", "install", "resource", "kubernetes", kubernetesPluginVersion], {
        env,
        timeout: 300_000,
      });
      progress.done();
    } catch (error) {
      progress.fail();
      throw error;
    }
    rmSync(memory, { force: true });
    return { plugin: "official" };
  } catch (error) {
    const reason = messageOf(error).trim().split("\n").slice(0, 3).join("; ");
    writeAtomic(memory, JSON.stringify({ at: new Date().toISOString(), version: kubernetesPluginVersion, reason }));
    return { plugin: "stand-in", reason };
  }
}

/** The user's environment with everything that `pulumi` needs: the pinned CLI first on PATH, state and plugins inside the checkout. */
export async function pulumiEnvironment(): Promise<NodeJS.ProcessEnv> {
  const { variables, pathFolders } = await pulumiSetup();
  return { ...process.env, ...variables, PATH: withFirst(pathFolders, process.env.PATH ?? "") };
}

/** PATH with `folders` in front, and our stand-ins nowhere else: an environment made earlier may have put them there. */
export function withFirst(folders: readonly string[], path: string): string {
  const ours = [...folders, ...Object.values(standInFolders)];
  return [...folders, ...path.split(delimiter).filter((folder) => folder !== "" && !ours.includes(folder))].join(delimiter);
}

/** `npm run --silent env`: prints `export` lines for `eval`. */
export async function environmentCommand(argv: string[] = []): Promise<number> {
  if (argv.length > 0) {
    process.stderr.write(`env: ${JSON.stringify(argv[0])} is not known: it takes no arguments; use it as eval "$(npm run --silent env)"\n`);
    return 2;
  }
  const { variables, pathFolders } = await pulumiSetup();
  process.stdout.write(`${exportLines(variables, pathFolders).join("\n")}\n`);
  return 0;
}

/** Lines for a POSIX shell. PATH is extended, not replaced: npm's own additions to it are not for the user's shell. */
export function exportLines(variables: Record<string, string>, pathFolders: readonly string[]): string[] {
  const quote = (text: string): string => `'${text.replaceAll("'", "'\\''")}'`;
  return [
    ...Object.entries(variables).map(([key, value]) => `export ${key}=${quote(value)}`),
    `export PATH=${quote(pathFolders.join(delimiter))}:"$PATH"`,
  ];
}
