/** Secrets in the cluster of a referee: the certificate of its gateway, and the keys of functions. */
import { readFileSync } from "node:fs";
import type { CustomObject } from "../../src/kubernetes/custom-resources";
import type { EchoNetwork } from "./echo-network";
import { aws, azureKey } from "./outside-world";
import { awsSecretName, azureSecretName, secure } from "./referees";

/** The Secrets. */
export function refereeSecrets({ outside }: EchoNetwork, namespace: string): CustomObject<string, unknown>[] {
  const { certificate, key } = outside.certificateFor(secure.hosts);
  const { accessKeyId, secretAccessKey } = aws.secret;
  const secrets = [
    [secure.secret, "kubernetes.io/tls", { "tls.crt": readFileSync(certificate, "utf8"), "tls.key": readFileSync(key, "utf8") }],
    [awsSecretName, "Opaque", { accessKey: accessKeyId, secretKey: secretAccessKey }],
    [azureSecretName, "Opaque", { "x-functions-key": azureKey }],
  ] as const;
  return secrets.map(
    ([name, type, stringData]) =>
      ({ apiVersion: "v1", kind: "Secret", metadata: { name, namespace, labels: {} }, type, stringData }) as unknown as CustomObject<
        string,
        unknown
      >,
  );
}
