/** Run: one Pulumi program, by the runner in its own SDK. */
import type * as grpc from "@grpc/grpc-js";
import { type ProgramInfo, type RunRequest, RunResponse } from "@pulumi/pulumi/proto/language_pb";
import { start } from "./children";
import { locate } from "./locate";
import { type RuntimeOptions, runtimeOptions } from "./options";

/** The SDK's exit code for "I have already told the user" (cmd/run/index.js): saying more would show every error twice. */
const alreadyReported = 32;

export function optionsOf(info: ProgramInfo | undefined): RuntimeOptions {
  return runtimeOptions(info?.getOptions()?.toJavaScript() ?? {});
}

export function programDirectory(info: ProgramInfo | undefined): string {
  return info?.getProgramDirectory() ?? "";
}

export async function run(call: grpc.ServerUnaryCall<RunRequest, RunResponse>, engineAddress: string): Promise<RunResponse> {
  const { request } = call;
  const options = optionsOf(request.getInfo());
  const directory = programDirectory(request.getInfo());
  const runner = locate("@pulumi/pulumi/cmd/run", directory, "`npm install` or `pulumi install`");
  let outOfMemory = false;
  const program = start({
    command: process.execPath,
    args: [...options.nodeArgs, runner, ...runnerArgs(request, engineAddress)],
    cwd: directory,
    environment: { ...process.env, ...options.environment, ...configEnvironment(request) },
    stdout: (chunk) => process.stdout.write(chunk),
    stderr: (chunk) => {
      outOfMemory ||= chunk.includes("<--- Last few GCs --->");
      process.stderr.write(chunk);
    },
  });
  call.on("cancelled", () => program.stop(5000));
  const code = await program.code;
  const hint = outOfMemory ? "; it may be out of memory: set the runtime option `nodeargs: --max-old-space-size=<MiB>`" : "";
  return code === alreadyReported
    ? new RunResponse().setBail(true)
    : new RunResponse().setError(code === 0 ? "" : `the program ended with exit code ${code}${hint}`);
}

/** Arguments of the runner. The monitor's address goes on as it is: a proxy would cut off whatever call it does not know (hooks, transforms). */
export function runnerArgs(request: RunRequest, engineAddress: string): string[] {
  const info = request.getInfo();
  const flags: Record<string, string> = {
    monitor: request.getMonitorAddress(),
    engine: engineAddress,
    organization: request.getOrganization(),
    project: request.getProject(),
    "root-directory": info?.getRootDirectory() ?? "",
    stack: request.getStack(),
    pwd: programDirectory(info),
    parallel: String(request.getParallel()),
  };
  const given = Object.entries(flags).filter(([, value]) => value !== "");
  return [
    ...given.flatMap(([name, value]) => [`--${name}`, value]),
    ...(request.getDryrun() ? ["--dry-run"] : []),
    info?.getEntryPoint() ?? ".",
    ...request.getArgsList(),
  ];
}

function configEnvironment(request: RunRequest): Record<string, string> {
  return {
    PULUMI_CONFIG: JSON.stringify(Object.fromEntries(request.getConfigMap().toArray())),
    PULUMI_CONFIG_SECRET_KEYS: JSON.stringify(request.getConfigsecretkeysList()),
  };
}
