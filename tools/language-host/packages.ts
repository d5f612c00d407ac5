/** What a program depends on, and installing it. */
import type * as grpc from "@grpc/grpc-js";
import * as messages from "@pulumi/pulumi/proto/language_pb";
import { PackageDependency, PackageParameterization } from "@pulumi/pulumi/proto/plugin_pb";
import { start } from "./children";
import { directPackages, type PackageManifest, visiblePackages } from "./locate";
import { optionsOf, programDirectory } from "./run";

/** Packages whose SDK the program sees: the engine makes sure that their plugins are there. */
export function requiredPackages(request: messages.GetRequiredPackagesRequest): messages.GetRequiredPackagesResponse {
  const response = new messages.GetRequiredPackagesResponse();
  for (const manifest of visiblePackages(programDirectory(request.getInfo()))) {
    const dependency = pluginOf(manifest);
    if (dependency) {
      response.addPackages(dependency);
    }
  }
  return response;
}

/** The plugin behind an SDK; undefined for every other package. */
export function pluginOf({ name, version = "", pulumi }: PackageManifest): PackageDependency | undefined {
  if (!pulumi?.resource) {
    return undefined;
  }
  const dependency = new PackageDependency();
  dependency.setKind("resource");
  dependency.setName(pulumi.name ?? name.replace(/^@pulumi\//, ""));
  dependency.setVersion(`v${(pulumi.version ?? version).replace(/^v/, "")}`);
  dependency.setServer(pulumi.server ?? "");
  if (pulumi.parameterization) {
    const parameterization = new PackageParameterization();
    parameterization.setName(pulumi.parameterization.name);
    parameterization.setVersion(pulumi.parameterization.version);
    // Base64 text in package.json, and base64 text is what protobuf takes for bytes.
    parameterization.setValue(pulumi.parameterization.value);
    dependency.setParameterization(parameterization);
  }
  return dependency;
}

/** For `pulumi about`. */
export function programDependencies(request: messages.GetProgramDependenciesRequest): messages.GetProgramDependenciesResponse {
  const directory = programDirectory(request.getInfo());
  const manifests = request.getTransitivedependencies() ? visiblePackages(directory) : directPackages(directory);
  const response = new messages.GetProgramDependenciesResponse();
  for (const { name, version = "" } of manifests) {
    response.addDependencies(new messages.DependencyInfo().setName(name).setVersion(version));
  }
  return response;
}

/** @throws Error when the package manager fails; its output has been streamed by then */
export async function installDependencies(
  call: grpc.ServerWritableStream<messages.InstallDependenciesRequest, messages.InstallDependenciesResponse>,
): Promise<void> {
  const info = call.request.getInfo();
  const { packageManager } = optionsOf(info);
  const send = (chunk: Buffer): void => void call.write(new messages.InstallDependenciesResponse().setStdout(chunk));
  send(Buffer.from("Installing dependencies...\n\n"));
  const install = start({
    command: packageManager,
    args: ["install"],
    cwd: programDirectory(info),
    environment: process.env,
    stdout: send,
    stderr: send,
  });
  call.on("cancelled", () => install.stop(5000));
  const code = await install.code;
  if (code !== 0) {
    throw new Error(`${packageManager} install failed with exit code ${code}`);
  }
  send(Buffer.from("Finished installing dependencies\n\n"));
}
