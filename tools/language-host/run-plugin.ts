/** RunPlugin: a plugin written for Node.js — a component package, a provider, or a policy pack. */
import type * as grpc from "@grpc/grpc-js";
import { type RunPluginRequest, RunPluginResponse } from "@pulumi/pulumi/proto/language_pb";
import { type Sink, start } from "./children";
import { locate } from "./locate";
import { type Environment, parseEnvironment } from "./options";
import { servePolicyPack } from "./policy-proxy";
import { optionsOf, programDirectory } from "./run";

/** Streams the plugin's output, the exit code last. */
export async function runPlugin(call: grpc.ServerWritableStream<RunPluginRequest, RunPluginResponse>): Promise<void> {
  const { request } = call;
  const options = optionsOf(request.getInfo());
  const directory = programDirectory(request.getInfo());
  const isPolicyPack = request.getKind() === "analyzer";
  const runner = locate(
    `@pulumi/pulumi/cmd/${isPolicyPack ? "run-policy-pack" : "run-plugin"}`,
    directory,
    `\`npm install\` in ${directory}`,
  );
  // A pack's runner wants the engine first and the folder after it, the other one the reverse.
  const own = isPolicyPack ? [...request.getArgsList(), directory] : [directory, ...request.getArgsList()];
  const stdout: Sink = (chunk) => call.write(new RunPluginResponse().setStdout(chunk));
  const stderr: Sink = (chunk) => call.write(new RunPluginResponse().setStderr(chunk));
  const launch = (more: Environment, toStdout: Sink): Promise<number> => {
    const plugin = start({
      command: process.execPath,
      args: [...options.nodeArgs, runner, ...own],
      cwd: isPolicyPack ? directory : request.getPwd(),
      // The engine sends the whole environment, so the host's own is left out.
      environment: { ...options.environment, ...parseEnvironment(request.getEnvList()), ...more },
      stdout: toStdout,
      stderr,
    });
    // The engine ends a plugin by cancelling this call; it may have done so while the pack waited for its stack.
    call.on("cancelled", () => plugin.stop(1000));
    if (call.cancelled) {
      plugin.stop(1000);
    }
    return plugin.code;
  };
  const code = isPolicyPack
    ? await servePolicyPack(launch, stdout, (cancelled) => call.on("cancelled", cancelled))
    : await launch({}, stdout);
  call.write(new RunPluginResponse().setExitcode(code));
}
