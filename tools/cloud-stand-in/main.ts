/** Entry of the stand-ins for `pulumi-resource-aws`, `-gcp`, `-azure-native` and `-kubernetes` in tests; the first argument says which one. */
import * as fs from "node:fs";
import * as path from "node:path";
import { ResourceProviderService } from "@pulumi/pulumi/proto/provider_grpc_pb";
import { projectRoot } from "../paths";
import { engineAddressFromArgs, errorText, servePlugin } from "../plugin/serve";
import { aws } from "./aws";
import { azure } from "./azure";
import { gcp } from "./gcp";
import { kubernetesHandlers } from "./kubernetes";
import { cloudHandlers } from "./service";
import { openWorld } from "./world";

/** Release of the installed SDK: a plugin that says it is older makes the engine warn at every command. */
function sdkVersion(name: string): string {
  const file = path.join(projectRoot, "node_modules", "@pulumi", name, "package.json");
  return (JSON.parse(fs.readFileSync(file, "utf8")) as { version: string }).version;
}

async function main([name = "", ...args]: readonly string[]): Promise<void> {
  const world = openWorld();
  const cloud = [aws, gcp, azure].find((each) => each.name === name);
  const handlers = cloud ? cloudHandlers(cloud, world, sdkVersion(name)) : kubernetesHandlers(world, sdkVersion(name));
  const engineAddress = engineAddressFromArgs(args);
  await servePlugin({ definition: ResourceProviderService, handlers, engineAddress: () => engineAddress, close: () => Promise.resolve() });
}

main(process.argv.slice(2)).catch((error: unknown) => {
  process.stderr.write(`${errorText(error)}\n`);
  process.exit(1);
});
