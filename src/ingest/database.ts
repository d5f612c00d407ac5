/** How containers reach the database of their own node and log in to it. */
import type * as k8s from "@pulumi/kubernetes";
import type { LocalDbFacts } from "../model/facts";

type EnvVar = k8s.types.input.core.v1.EnvVar;

const caDirectory = "/etc/database-tls";

/** The database in settings documents: no credentials, and TLS by the path of its certificate authority. */
export interface DatabaseSettings {
  engine: string;
  host: string;
  port: number;
  database: string;
  tls?: { caFile?: string };
}

/** The database as programs of the mesh read it from their settings. */
export function databaseSettings(database: LocalDbFacts): DatabaseSettings {
  const { tls } = database;
  return {
    engine: database.engine,
    host: database.serviceName,
    port: database.port,
    database: database.database,
    ...(tls === undefined ? {} : { tls: tls.caSecret === undefined ? {} : { caFile: caFile(tls.caSecret.key) } }),
  };
}

/** User name and password of the database from its Secret, as the two named environment variables. */
export function databaseEnv(database: LocalDbFacts, usernameVariable: string, passwordVariable: string): EnvVar[] {
  return [
    { name: usernameVariable, valueFrom: { secretKeyRef: { name: database.secretName, key: "username" } } },
    { name: passwordVariable, valueFrom: { secretKeyRef: { name: database.secretName, key: "password" } } },
  ];
}

/** Names of all variables of `databaseVariables`. */
export const databaseVariableNames: readonly string[] = [
  ...["DATABASE_ENGINE", "DATABASE_HOST", "DATABASE_PORT", "DATABASE_NAME", "DATABASE_USER", "DATABASE_PASSWORD"],
  ...["DATABASE_TLS", "DATABASE_CA_FILE"],
];

/** Everything about the database as environment variables, for programs without settings. `DATABASE_TLS` is `true` or not there. */
export function databaseVariables(database: LocalDbFacts): EnvVar[] {
  const { tls } = databaseSettings(database);
  return [
    { name: "DATABASE_ENGINE", value: database.engine },
    { name: "DATABASE_HOST", value: database.serviceName },
    { name: "DATABASE_PORT", value: String(database.port) },
    { name: "DATABASE_NAME", value: database.database },
    ...databaseEnv(database, "DATABASE_USER", "DATABASE_PASSWORD"),
    ...(tls === undefined ? [] : [{ name: "DATABASE_TLS", value: "true" }]),
    ...(tls?.caFile === undefined ? [] : [{ name: "DATABASE_CA_FILE", value: tls.caFile }]),
  ];
}

/** Parts of a pod that bring the certificate authority of the databases to a container; empty without one. */
export function databaseTlsParts(database: LocalDbFacts): {
  volumes: k8s.types.input.core.v1.Volume[];
  volumeMounts: k8s.types.input.core.v1.VolumeMount[];
} {
  const secret = database.tls?.caSecret;
  if (secret === undefined) {
    return { volumes: [], volumeMounts: [] };
  }
  // The one key only: the same Secret may hold the private key of the databases.
  const source = { secretName: secret.name, items: [{ key: secret.key, path: secret.key }] };
  return {
    volumes: [{ name: "database-ca", secret: source }],
    volumeMounts: [{ name: "database-ca", mountPath: caDirectory, readOnly: true }],
  };
}

function caFile(key: string): string {
  return `${caDirectory}/${key}`;
}
