/**
 * Programs run by the real Pulumi CLI: one temporary folder with backend, home and configuration per stack, nothing outside it, and what the
 * engine did as data.
 */
import { type ChildProcess, execFile, spawn } from "node:child_process";
import * as fs from "node:fs";
import * as os from "node:os";
import * as path from "node:path";
import { promisify } from "node:util";
import { parse } from "yaml";
import { fileBackend, pulumiSetup, standInFolders, withFirst } from "../../tools/pulumi-env";
import { type Outcome, readOutcome } from "./pulumi-events";
import { inlineProgram } from "./pulumi-program";

export interface TestStackOptions {
  /** A folder with a Pulumi.yaml (it is run where it is and not written to), or the text of an index.ts. */
  program: string | { typescript: string };
  /** Default: `test`. */
  stack?: string;
  /** Keys without a colon belong to the project. */
  config?: Record<string, ConfigValue>;
  /** A stack file to begin with, for example `stacks/Pulumi.local.yaml`: its config is taken over, its secrets cannot be. */
  stackFile?: string;
  /** Variables on top of the environment; undefined takes one away. */
  env?: NodeJS.ProcessEnv;
  /** `stand-in`: our own host and provider. `resolved`: what users of this machine get, the official ones where they can be had. Default: `stand-in`. */
  plugins?: "stand-in" | "resolved";
  /** Folders of plugins that are preferred to all others. Default: none. */
  pluginFolders?: readonly string[];
}

export type ConfigValue = string | { secret: string };

export interface CommandOptions {
  /** More arguments, for example `["--policy-pack", folder]`. */
  args?: readonly string[];
  env?: NodeJS.ProcessEnv;
}

/** A command that runs, for tests that end it midway. */
export interface RunningCommand {
  process: ChildProcess;
  outcome: Promise<Outcome>;
  /** Path of its event log, which grows while it runs. */
  eventLog: string;
}

/** The deployment in an exported state, as far as tests look into it. */
export interface ExportedState {
  deployment: { resources?: ExportedResource[]; pending_operations?: { type: string; resource: ExportedResource }[] };
}

export interface ExportedResource {
  urn: string;
  type: string;
  id?: string;
  custom: boolean;
  parent?: string;
  /** `<urn>::<id>`; none for the default one of a component. */
  provider?: string;
  dependencies?: string[];
  protect?: boolean;
  inputs?: Record<string, unknown>;
  outputs?: Record<string, unknown>;
  initErrors?: string[];
}

export interface TestStack {
  readonly project: string;
  readonly stack: string;
  /** The temporary folder: `home`, `state`, `stack` (its configuration) and `program` for an inline one. */
  readonly folder: string;
  readonly programFolder: string;
  readonly environment: NodeJS.ProcessEnv;
  /** `pulumi up` without its preview. */
  up: (options?: CommandOptions) => Promise<Outcome>;
  preview: (options?: CommandOptions) => Promise<Outcome>;
  refresh: (options?: CommandOptions) => Promise<Outcome>;
  destroy: (options?: CommandOptions) => Promise<Outcome>;
  /** Starts a command without waiting for it. */
  start: (verb: Verb, options?: CommandOptions) => RunningCommand;
  export: () => Promise<ExportedState>;
  /** The exported state as text, secrets encrypted: what a search for plain-text secrets looks through. */
  exportText: () => Promise<string>;
  /** Replaces the state. */
  import: (state: ExportedState) => Promise<void>;
  /** Outputs of the stack, secrets shown. */
  outputs: () => Promise<Record<string, unknown>>;
  setConfig: (config: Record<string, ConfigValue>) => Promise<void>;
  /** A new text for an inline program. */
  setProgram: (typescript: string) => void;
  /** Any other command on this stack; the program's folder is not its working directory. */
  pulumi: (...args: string[]) => Promise<{ stdout: string; stderr: string }>;
  /** Removes the folder; ends commands that still run. Call it in `afterAll`. */
  dispose: () => Promise<void>;
}

export type Verb = "up" | "preview" | "refresh" | "destroy";

const verbFlags: Readonly<Record<Verb, readonly string[]>> = {
  up: ["--yes", "--skip-preview"],
  preview: ["--diff"],
  refresh: ["--yes", "--skip-preview"],
  destroy: ["--yes", "--skip-preview"],
};

const passphrase = "a passphrase of this test";

/** Makes the stack; nothing is deployed yet. Call it in `beforeAll`, after the cluster, with a timeout of two minutes. */
export async function testStack(options: TestStackOptions): Promise<TestStack> {
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), "compute-mesh-stack-"));
  try {
    return await makeStack(folder, options);
  } catch (error) {
    fs.rmSync(folder, { recursive: true, force: true });
    throw error;
  }
}

async function makeStack(folder: string, options: TestStackOptions): Promise<TestStack> {
  const stack = options.stack ?? "test";
  const inline = typeof options.program === "string" ? undefined : inlineProgram(path.join(folder, "program"), options.program.typescript);
  const programFolder = inline?.folder ?? path.resolve(options.program as string);
  const project = (parse(fs.readFileSync(path.join(programFolder, "Pulumi.yaml"), "utf8")) as { name: string }).name;
  const { binary, environment } = await environmentOf(folder, options);
  // `stack init` writes Pulumi.<stack>.yaml beside Pulumi.yaml: a project file of our own keeps the program's folder clean.
  const metadata = path.join(folder, "stack");
  fs.mkdirSync(metadata);
  fs.writeFileSync(path.join(metadata, "Pulumi.yaml"), `name: ${project}\nruntime: nodejs\n`);
  const configFile = path.join(metadata, `Pulumi.${stack}.yaml`);
  if (options.stackFile) {
    const { config } = parse(fs.readFileSync(options.stackFile, "utf8")) as { config?: Record<string, unknown> };
    fs.writeFileSync(configFile, JSON.stringify({ config }));
  }
  const running = new Set<ChildProcess>();
  let count = 0;

  const pulumi = async (...args: string[]): Promise<{ stdout: string; stderr: string }> => {
    const limits = { env: environment, maxBuffer: 1 << 28 };
    return promisify(execFile)(binary, [...args, "--cwd", metadata, "--non-interactive"], limits);
  };
  const setConfig = async (config: Record<string, ConfigValue>): Promise<void> => {
    const flags = Object.entries(config).flatMap(([key, value]) =>
      typeof value === "string" ? ["--plaintext", `${key}=${value}`] : ["--secret", `${key}=${value.secret}`],
    );
    if (flags.length > 0) {
      await pulumi("config", "set-all", "--stack", stack, ...flags);
    }
  };
  const start = (verb: Verb, { args = [], env = {} }: CommandOptions = {}): RunningCommand => {
    const events = path.join(folder, `events-${++count}.jsonl`);
    const common = ["--cwd", programFolder, "--stack", stack, "--config-file", configFile, "--non-interactive", "--color", "never"];
    const command = [verb, ...common, "--event-log", events, ...verbFlags[verb], ...args];
    const child = spawn(binary, command, { env: { ...environment, ...env }, stdio: ["ignore", "pipe", "pipe"] });
    running.add(child);
    return { process: child, outcome: outcomeOf(child, events).finally(() => running.delete(child)), eventLog: events };
  };
  const run =
    (verb: Verb) =>
    (commandOptions?: CommandOptions): Promise<Outcome> =>
      start(verb, commandOptions).outcome;
  const exportText = async (): Promise<string> => (await pulumi("stack", "export", "--stack", stack)).stdout;

  await pulumi("stack", "init", stack);
  await setConfig(options.config ?? {});
  return {
    project,
    stack,
    folder,
    programFolder,
    environment,
    up: run("up"),
    preview: run("preview"),
    refresh: run("refresh"),
    destroy: run("destroy"),
    start,
    exportText,
    export: async () => JSON.parse(await exportText()) as ExportedState,
    import: async (state) => {
      const file = path.join(folder, "import.json");
      fs.writeFileSync(file, JSON.stringify(state));
      await pulumi("stack", "import", "--stack", stack, "--file", file, "--force");
    },
    outputs: async () =>
      JSON.parse((await pulumi("stack", "output", "--stack", stack, "--json", "--show-secrets")).stdout) as Record<string, unknown>,
    setConfig,
    setProgram: (typescript) => {
      if (!inline) {
        throw new Error(`the program in ${programFolder} is not an inline one`);
      }
      inline.write(typescript);
    },
    pulumi,
    dispose: async () => {
      await Promise.all([...running].map(ended));
      fs.rmSync(folder, { recursive: true, force: true, maxRetries: 3 });
    },
  };
}

async function environmentOf(folder: string, options: TestStackOptions): Promise<{ binary: string; environment: NodeJS.ProcessEnv }> {
  const setup = await pulumiSetup();
  const home = path.join(folder, "home");
  const state = path.join(folder, "state");
  fs.mkdirSync(home);
  fs.mkdirSync(state);
  const installed = path.join(setup.variables["PULUMI_HOME"] ?? "", "plugins");
  const resolved = options.plugins === "resolved";
  if (resolved && fs.existsSync(installed)) {
    fs.symlinkSync(installed, path.join(home, "plugins"));
  }
  const folders = resolved ? setup.pathFolders : [path.dirname(setup.binary), ...Object.values(standInFolders)];
  const environment: NodeJS.ProcessEnv = {
    ...process.env,
    ...setup.variables,
    PATH: withFirst([...(options.pluginFolders ?? []), ...folders], process.env["PATH"] ?? ""),
    PULUMI_HOME: home,
    PULUMI_BACKEND_URL: fileBackend(state),
    PULUMI_CONFIG_PASSPHRASE: passphrase,
    PULUMI_SKIP_CHECKPOINTS: "true",
    PULUMI_DISABLE_AUTOMATIC_PLUGIN_ACQUISITION: "true",
    // The flag --event-log exists only with it.
    PULUMI_DEBUG_COMMANDS: "true",
    // A kubeconfig of the developer must never be what a test runs against.
    KUBECONFIG: path.join(folder, "no-kubeconfig"),
    ...options.env,
  };
  delete environment["PULUMI_CONFIG_PASSPHRASE_FILE"];
  return { binary: setup.binary, environment };
}

function outcomeOf(child: ChildProcess, events: string): Promise<Outcome> {
  const output = { stdout: "", stderr: "" };
  child.stdout?.on("data", (chunk: Buffer) => (output.stdout += chunk.toString()));
  child.stderr?.on("data", (chunk: Buffer) => (output.stderr += chunk.toString()));
  return new Promise((resolve, reject) => {
    child.on("error", reject);
    child.on("close", (code, signal) => {
      const log = fs.existsSync(events) ? fs.readFileSync(events, "utf8") : "";
      resolve(readOutcome(code ?? 128, signal, output, log));
    });
  });
}

/** SIGINT lets the engine end its plugins; a second one is not waited for. */
function ended(child: ChildProcess): Promise<void> {
  return new Promise((resolve) => {
    child.once("close", () => resolve());
    child.kill("SIGINT");
    setTimeout(() => child.kill("SIGKILL"), 10_000).unref();
  });
}
