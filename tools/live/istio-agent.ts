/**
 * What Istio's agent does beside Envoy, as far as a gateway needs it: it says who the gateway is, and gives Envoy the certificate authorities of the
 * system, under the name by which the control plane means them. Without it a certificate cannot be checked, and Envoy holds back what needs it.
 */
import * as grpc from "@grpc/grpc-js";
import { BinaryReader, BinaryWriter } from "google-protobuf";
import { readFileSync } from "node:fs";
import { type ApiAccess, apiClient } from "../kubeconfig";
import type { GatewayName } from "./envoy";

/** Cluster of Envoy at which it asks for secrets, as the control plane names it. */
export const secretsCluster = "sds-grpc";

/** A running agent. */
export interface IstioAgent {
  stop(): void;
}

const secretType = "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.Secret";

/**
 * Answers at a socket with the authorities of a file, whatever the name that is asked for: StreamSecrets of Envoy's SecretDiscoveryService
 * (envoy/service/secret/v3/sds.proto). Numbers of fields are those of its messages.
 */
export async function startIstioAgent(socket: string, authorities: string): Promise<IstioAgent> {
  const bytes = { serialize: (value: Buffer): Buffer => value, deserialize: (value: Buffer): Buffer => value };
  const server = new grpc.Server();
  const method: grpc.MethodDefinition<Buffer, Buffer> = {
    path: "/envoy.service.secret.v3.SecretDiscoveryService/StreamSecrets",
    requestStream: true,
    responseStream: true,
    requestSerialize: bytes.serialize,
    requestDeserialize: bytes.deserialize,
    responseSerialize: bytes.serialize,
    responseDeserialize: bytes.deserialize,
  };
  const stream: grpc.handleBidiStreamingCall<Buffer, Buffer> = (call) => {
    let told = "";
    call.on("data", (message: Buffer) => {
      const names = resourceNames(message);
      // Every answer is confirmed by the same request once more.
      if (names.join() === told) return;
      told = names.join();
      call.write(secretsResponse(names, readFileSync(authorities)));
    });
    call.on("end", () => call.end());
    call.on("error", () => undefined);
  };
  server.addService({ streamSecrets: method }, { streamSecrets: stream });
  await new Promise<void>((resolve, reject) =>
    server.bindAsync(`unix:${socket}`, grpc.ServerCredentials.createInsecure(), (error) => (error ? reject(error) : resolve())),
  );
  return { stop: () => server.forceShutdown() };
}

/** Field 3 of a DiscoveryRequest. */
function resourceNames(message: Buffer): string[] {
  const names: string[] = [];
  for (const reader = new BinaryReader(message); reader.nextField();) {
    if (reader.getFieldNumber() === 3) names.push(reader.readString());
    else reader.skipField();
  }
  return names;
}

/** A DiscoveryResponse with one Secret for each name. */
function secretsResponse(names: readonly string[], authorities: Buffer): Buffer {
  const response = new BinaryWriter();
  response.writeString(1, "1");
  for (const name of names) {
    response.writeMessage(2, name, (_value, any) => {
      any.writeString(1, secretType);
      const secret = new BinaryWriter();
      secret.writeString(1, name);
      // validation_context.trusted_ca.inline_bytes
      secret.writeMessage(4, name, (_context, context) =>
        context.writeMessage(1, name, (_source: string, source: BinaryWriter) => source.writeBytes(2, authorities)),
      );
      any.writeBytes(2, secret.getResultBuffer());
    });
  }
  response.writeString(4, secretType);
  response.writeString(5, "1");
  return Buffer.from(response.getResultBuffer());
}

/**
 * The token by which the control plane knows the gateway, valid for an hour; its account may read Secrets beside it, as the gateway of Istio's chart may.
 *
 * @throws Error where the API server refuses
 */
export async function gatewayToken(access: ApiAccess, { namespace, name }: GatewayName): Promise<string> {
  const client = apiClient(access);
  const rbac = `/apis/rbac.authorization.k8s.io/v1/namespaces/${namespace}`;
  const core = `/api/v1/namespaces/${namespace}/serviceaccounts`;
  const role = { apiGroup: "rbac.authorization.k8s.io", kind: "Role", name };
  const send = async (path: string, body: object): Promise<unknown> => {
    const answer = await client.request("POST", path, { metadata: { name }, ...body });
    if (answer.status >= 300 && answer.status !== 409) throw new Error(`istio: ${path} is refused: ${JSON.stringify(answer.body)}`);
    return answer.body;
  };
  try {
    await send(core, {});
    await send(`${rbac}/roles`, { rules: [{ apiGroups: [""], resources: ["secrets"], verbs: ["get", "watch", "list"] }] });
    await send(`${rbac}/rolebindings`, { roleRef: role, subjects: [{ kind: "ServiceAccount", name, namespace }] });
    const answer = await send(`${core}/${name}/token`, { metadata: {}, spec: { audiences: ["istio-ca"], expirationSeconds: 3600 } });
    return (answer as { status: { token: string } }).status.token;
  } finally {
    client.close();
  }
}
