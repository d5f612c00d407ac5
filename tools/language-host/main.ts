/** Entry of `pulumi-language-nodejs`: the stand-in for the official Node.js language host. */
import { LanguageRuntimeService } from "@pulumi/pulumi/proto/language_grpc_pb";
import { engineAddressFromArgs, errorText, servePlugin } from "../plugin/serve";
import { stopAll } from "./children";
import { handlers, type Host } from "./service";

const host: Host = { engineAddress: engineAddressFromArgs(process.argv.slice(2)) };

servePlugin({
  definition: LanguageRuntimeService,
  handlers: handlers(host),
  engineAddress: () => host.engineAddress,
  // A program whose engine is gone has nobody left to talk to.
  close: (reason) => stopAll(reason === "signal" ? 1000 : 0),
}).catch((error: unknown) => {
  process.stderr.write(`${errorText(error)}\n`);
  process.exit(1);
});
