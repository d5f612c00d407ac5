/** Entry of `pulumi-resource-kubernetes`: the stand-in for the official Kubernetes provider. The engine starts one process for each provider. */
import { ResourceProviderService } from "@pulumi/pulumi/proto/provider_grpc_pb";
import { engineAddressFromArgs, errorText, servePlugin } from "../plugin/serve";
import { handlers } from "./service";
import { connectEngine, newSession } from "./session";

const engineAddress = engineAddressFromArgs(process.argv.slice(2));
const session = newSession();
connectEngine(session, engineAddress);

servePlugin({
  definition: ResourceProviderService,
  handlers: handlers(session),
  engineAddress: () => engineAddress,
  close: () => {
    session.cancelled = true;
    return Promise.resolve();
  },
}).catch((error: unknown) => {
  process.stderr.write(`${errorText(error)}\n`);
  process.exit(1);
});
