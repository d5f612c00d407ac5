/** How pods reach Kafka: brokers, TLS and SASL. Credentials stay in Secrets; containers see them as environment variables and files. */
import type * as k8s from "@pulumi/kubernetes";
import type * as pulumi from "@pulumi/pulumi";
import { checkKnownKeys, checkObject, checkOneOf } from "../model/checks";
import { joinPath, type Problems } from "../model/errors";

/** A key of a Secret in the namespace of the pods. */
export interface SecretKeyArgs {
  /** Name of the Secret. */
  name: string;
  key: string;
}

/** TLS to the brokers. An empty object means: TLS with the certificate authorities of the image. */
export interface KafkaTlsArgs {
  /** Certificate authority of the brokers, PEM. Default: those of the image. */
  caSecret?: SecretKeyArgs;
  /** Name of a Secret with `tls.crt` and `tls.key`, where the brokers ask for client certificates. */
  clientCertificateSecretName?: string;
}

/** User name and password for the brokers. */
export interface KafkaSaslArgs {
  /** `PLAIN` (use it with TLS only), `SCRAM-SHA-256` or `SCRAM-SHA-512`. */
  mechanism: string;
  /** Name of the Secret with user name and password. */
  secretName: string;
  /** Default: `username`. */
  usernameKey?: string;
  /** Default: `password`. */
  passwordKey?: string;
}

/** How pods reach Kafka. */
export interface KafkaArgs {
  /** `host:port` of the brokers to ask first; more than one, so that one can be away. */
  brokers: pulumi.Input<pulumi.Input<string>[]>;
  /** Default: no TLS. */
  tls?: KafkaTlsArgs;
  /** Default: no authentication. */
  sasl?: KafkaSaslArgs;
}

/** What a program needs to know of TLS and SASL; no secrets. */
export interface KafkaSecurity {
  tls?: { caFile?: string; certificateFile?: string; keyFile?: string };
  sasl?: { mechanism: string };
}

export const saslMechanisms = ["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"];

/** Environment variables with the credentials, read from the Secret of `sasl`. */
export const kafkaUsernameVariable = "KAFKA_USERNAME";
export const kafkaPasswordVariable = "KAFKA_PASSWORD";

const caDirectory = "/etc/kafka-tls/ca";
const clientDirectory = "/etc/kafka-tls/client";

/** Notes what is wrong in `kafka`; brokers that are not known yet pass. */
export function checkKafka(problems: Problems, path: string, kafka: KafkaArgs): void {
  if (!checkObject(problems, path, kafka)) {
    return;
  }
  checkKnownKeys(problems, path, kafka, ["brokers", "tls", "sasl"]);
  checkBrokers(problems, joinPath(path, "brokers"), kafka.brokers);
  const { tls, sasl } = kafka;
  const tlsPath = joinPath(path, "tls");
  if (tls !== undefined && checkObject(problems, tlsPath, tls)) {
    checkKnownKeys(problems, tlsPath, tls, ["caSecret", "clientCertificateSecretName"]);
    if (tls.caSecret !== undefined) {
      checkSecretKey(problems, joinPath(tlsPath, "caSecret"), tls.caSecret);
    }
  }
  const saslPath = joinPath(path, "sasl");
  if (sasl !== undefined && checkObject(problems, saslPath, sasl)) {
    checkKnownKeys(problems, saslPath, sasl, ["mechanism", "secretName", "usernameKey", "passwordKey"]);
    checkOneOf(problems, joinPath(saslPath, "mechanism"), sasl.mechanism, saslMechanisms);
    checkText(problems, joinPath(saslPath, "secretName"), sasl.secretName, "the name of a Secret is needed");
  }
}

/** Notes what is wrong in a reference to a key of a Secret. */
export function checkSecretKey(problems: Problems, path: string, secret: unknown): void {
  if (!checkObject(problems, path, secret)) {
    return;
  }
  checkKnownKeys(problems, path, secret, ["name", "key"]);
  checkText(problems, joinPath(path, "name"), secret["name"], "the name of a Secret is needed");
  checkText(problems, joinPath(path, "key"), secret["key"], "the key inside the Secret is needed");
}

/** Notes a value that is no text or empty. */
export function checkText(problems: Problems, path: string, value: unknown, allowed: string): value is string {
  if (typeof value === "string" && value.trim() !== "") {
    return true;
  }
  problems.add(path, value, allowed);
  return false;
}

/** TLS and SASL for configuration files: paths and mechanism, no secrets. */
export function kafkaSecurity(kafka: KafkaArgs): KafkaSecurity {
  const { tls, sasl } = kafka;
  return {
    ...(tls === undefined
      ? {}
      : {
          tls: {
            ...(tls.caSecret === undefined ? {} : { caFile: `${caDirectory}/${tls.caSecret.key}` }),
            ...(tls.clientCertificateSecretName === undefined
              ? {}
              : { certificateFile: `${clientDirectory}/tls.crt`, keyFile: `${clientDirectory}/tls.key` }),
          },
        }),
    ...(sasl === undefined ? {} : { sasl: { mechanism: sasl.mechanism } }),
  };
}

/** Parts of a pod that carry the credentials to one container. */
export function kafkaPodParts(kafka: KafkaArgs): {
  env: k8s.types.input.core.v1.EnvVar[];
  volumes: k8s.types.input.core.v1.Volume[];
  volumeMounts: k8s.types.input.core.v1.VolumeMount[];
} {
  const { caSecret, clientCertificateSecretName } = kafka.tls ?? {};
  const files = [
    ...(caSecret === undefined ? [] : [{ volume: "kafka-ca", secretName: caSecret.name, directory: caDirectory }]),
    ...(clientCertificateSecretName === undefined
      ? []
      : [{ volume: "kafka-client", secretName: clientCertificateSecretName, directory: clientDirectory }]),
  ];
  return {
    env: kafka.sasl === undefined ? [] : saslEnv(kafka.sasl),
    volumes: files.map(({ volume, secretName }) => ({ name: volume, secret: { secretName } })),
    volumeMounts: files.map(({ volume, directory }) => ({ name: volume, mountPath: directory, readOnly: true })),
  };
}

function saslEnv(sasl: KafkaSaslArgs): k8s.types.input.core.v1.EnvVar[] {
  const fromSecret = (name: string, key: string): k8s.types.input.core.v1.EnvVar => ({
    name,
    valueFrom: { secretKeyRef: { name: sasl.secretName, key } },
  });
  return [
    fromSecret(kafkaUsernameVariable, sasl.usernameKey ?? "username"),
    fromSecret(kafkaPasswordVariable, sasl.passwordKey ?? "password"),
  ];
}

function checkBrokers(problems: Problems, path: string, brokers: unknown): void {
  if (brokers === undefined || brokers === null || (Array.isArray(brokers) && brokers.length === 0)) {
    problems.add(path, brokers ?? undefined, 'at least one broker is needed, as "host:port"');
    return;
  }
  if (!Array.isArray(brokers)) {
    if (typeof brokers === "string") {
      problems.add(path, brokers, 'a list of "host:port" is allowed');
    }
    return;
  }
  brokers.forEach((broker: unknown, index) => {
    if (typeof broker === "string" && !/^[^\s:,"]+:\d{1,5}$/.test(broker) && !/^\[[0-9a-fA-F:]+\]:\d{1,5}$/.test(broker)) {
      problems.add(joinPath(path, index), broker, '"host:port" is allowed, for example "kafka-0.kafka:9092"');
    }
  });
}
