/** Who reaches the local databases, under which name, and with which credentials. */
import { randomBytes } from "node:crypto";
import * as k8s from "@pulumi/kubernetes";
import * as pulumi from "@pulumi/pulumi";
import { createChild, dataOptions, serviceWithoutWait } from "../kubernetes/children";
import { componentLabel, dataLabel, describeLabels } from "../kubernetes/labels";
import type { LocalDbDaemonSetArgs, LocalDbPeerArgs } from "./local-db-daemon-set";
import { databasePart, databasePorts, type LocalDbPlan } from "./local-db-plan";

/** The Secret with `username` and `password`; the password is made here where none is given, and known to nobody else. */
export function createCredentials(parent: pulumi.Resource, args: LocalDbDaemonSetArgs, plan: LocalDbPlan): k8s.core.v1.Secret {
  const given = args.credentials?.password;
  // 24 random bytes are 32 characters of base64url, which need no quoting in a connection string.
  const password = given === undefined ? pulumi.output(randomBytes(24).toString("base64url")) : pulumi.output(given);
  const data = password.apply((text) => ({ username: base64(plan.username), password: base64(text) }));
  return createChild(
    k8s.core.v1.Secret,
    `${plan.name}-credentials`,
    {
      metadata: {
        name: plan.facts.secretName,
        namespace: args.namespace,
        labels: { ...describeLabels(plan.name, databasePart), [dataLabel]: "credentials" },
      },
      data: pulumi.secret(data),
    },
    {
      parent,
      ...dataOptions(args.dataProtection),
      // Every run makes another random password, and only the first one may count: the databases were made with it.
      ...(given === undefined ? { ignoreChanges: ["data"] } : {}),
    },
    args.transforms?.credentials,
  );
}

/** The Service in front of the databases, and what guards them. */
export function createAccess(parent: pulumi.Resource, args: LocalDbDaemonSetArgs, plan: LocalDbPlan): k8s.core.v1.Service {
  const metadata = { name: plan.name, namespace: args.namespace, labels: describeLabels(plan.name, databasePart) };
  const service: k8s.core.v1.ServiceArgs = {
    metadata: { ...metadata, name: plan.facts.serviceName, annotations: serviceWithoutWait },
    spec: {
      selector: plan.selector,
      // A pod talks to its own node's database or to none: another node's would answer for other shards.
      internalTrafficPolicy: "Local",
      ports: databasePorts(plan).map(({ name, port }) => ({ name, port, targetPort: name })),
    },
  };
  const budget: k8s.policy.v1.PodDisruptionBudgetArgs = {
    metadata,
    spec: { minAvailable: plan.minAvailable, selector: { matchLabels: plan.selector } },
  };
  const policy: k8s.networking.v1.NetworkPolicyArgs = {
    metadata,
    spec: {
      podSelector: { matchLabels: plan.selector },
      // Egress is named without a rule: the database itself opens no connection (volumes are mounted by the node).
      policyTypes: ["Ingress", "Egress"],
      ingress: [{ from: peers(args.allowFrom ?? []), ports: databasePorts(plan).map(({ port }) => ({ protocol: "TCP", port })) }],
    },
  };
  createChild(k8s.policy.v1.PodDisruptionBudget, `${plan.name}-disruption-budget`, budget, { parent }, args.transforms?.disruptionBudget);
  createChild(k8s.networking.v1.NetworkPolicy, `${plan.name}-network-policy`, policy, { parent }, args.transforms?.networkPolicy);
  return createChild(k8s.core.v1.Service, `${plan.name}-service`, service, { parent }, args.transforms?.service);
}

/** All pods of compute-mesh in the same namespace, then those that are named. */
function peers(allowFrom: readonly LocalDbPeerArgs[]): k8s.types.input.networking.v1.NetworkPolicyPeer[] {
  return [
    { podSelector: { matchExpressions: [{ key: componentLabel, operator: "Exists" }] } },
    ...allowFrom.map(({ podLabels, namespaceLabels }) => ({
      podSelector: { matchLabels: podLabels },
      ...(namespaceLabels === undefined ? {} : { namespaceSelector: { matchLabels: namespaceLabels } }),
    })),
  ];
}

function base64(text: string): string {
  return Buffer.from(text, "utf8").toString("base64");
}
