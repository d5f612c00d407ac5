/** How containers log in to the database of their own node. */
import type * as k8s from "@pulumi/kubernetes";
import type { LocalDbFacts } from "../model/facts";

/** User name and password of the database from its Secret, as the two named environment variables. */
export function databaseEnv(database: LocalDbFacts, usernameVariable: string, passwordVariable: string): k8s.types.input.core.v1.EnvVar[] {
  return [
    { name: usernameVariable, valueFrom: { secretKeyRef: { name: database.secretName, key: "username" } } },
    { name: passwordVariable, valueFrom: { secretKeyRef: { name: database.secretName, key: "password" } } },
  ];
}
