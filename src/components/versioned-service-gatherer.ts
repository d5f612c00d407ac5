/** The gatherers of a VersionedService: one Deployment per (version, snapshot), and one account for all of them. */
import * as k8s from "@pulumi/kubernetes";
import * as pulumi from "@pulumi/pulumi";
import { type ChildTransform, createChild, serviceWithoutWait, waitAnnotations } from "../kubernetes/children";
import { configHashAnnotation, describeLabels } from "../kubernetes/labels";
import type { NodeIdentityPlan } from "../kubernetes/node-identity-plan";
import { lastWords, restrictedContainer } from "../kubernetes/pods";
import { answerSettingsPath, formatAnswerSettings, shardFilesPath } from "../model/answers-settings";
import { contentHash, dnsName } from "../model/names";
import { agentPort, agentUser, answerCommand, answerPort } from "./agent-image";
import type { VersionedServiceArgs } from "./versioned-service";
import type { AnswersPlan } from "./versioned-service-answers";
import { type GathererNames, gathererPart, type ServicePair, type VersionedServicePlan } from "./versioned-service-plan";

/** Raw changes of the gatherers' children. */
export interface GathererTransforms {
  /** The Deployment of one (version, snapshot). */
  gatherer?: ChildTransform<k8s.apps.v1.DeploymentArgs>;
  gathererService?: ChildTransform<k8s.core.v1.ServiceArgs>;
  gathererSettings?: ChildTransform<k8s.core.v1.ConfigMapArgs>;
  gathererDisruptionBudget?: ChildTransform<k8s.policy.v1.PodDisruptionBudgetArgs>;
  /** The ServiceAccount of all gatherers. */
  gathererAccount?: ChildTransform<k8s.core.v1.ServiceAccountArgs>;
  /** The Role that may list EndpointSlices. */
  gathererRole?: ChildTransform<k8s.rbac.v1.RoleArgs>;
  gathererBinding?: ChildTransform<k8s.rbac.v1.RoleBindingArgs>;
  /** The ClusterRole that may list Nodes; only where Nodes are known by their label. */
  gathererNodeRole?: ChildTransform<k8s.rbac.v1.ClusterRoleArgs>;
  gathererNodeBinding?: ChildTransform<k8s.rbac.v1.ClusterRoleBindingArgs>;
}

/** What others need of a gatherer. */
export interface Gatherer {
  deployment: k8s.apps.v1.Deployment;
  service: k8s.core.v1.Service;
}

/** Everything that one gatherer is made of. */
interface GathererRequest {
  args: VersionedServiceArgs;
  plan: VersionedServicePlan;
  answers: AnswersPlan;
  identity: NodeIdentityPlan;
  pair: ServicePair;
  names: GathererNames;
}

/** Time for load balancers to forget a gatherer that is about to stop, for its running questions, and for its end. */
const seconds = { preStop: 5, drain: 30, end: 5 };

/** Creates the gatherers in the order of the pairs; none where the service has no answers. */
export function createGatherers(parent: pulumi.Resource, args: VersionedServiceArgs, plan: VersionedServicePlan): Gatherer[] {
  const { answers, identity } = plan;
  if (answers === undefined || identity === undefined) {
    return [];
  }
  const access = createAccess(parent, args, plan, identity);
  return plan.pairs.flatMap((pair) =>
    pair.gatherer === undefined ? [] : [createGatherer(parent, { args, plan, answers, identity, pair, names: pair.gatherer }, access)],
  );
}

function createGatherer(parent: pulumi.Resource, request: GathererRequest, access: Access): Gatherer {
  const { args, plan, answers, names } = request;
  const { transforms } = args;
  const metadata = { name: names.objectName, namespace: args.namespace, labels: names.labels };
  const settings = settingsOf(request);
  const settingsMap = { metadata: { ...metadata, name: names.settingsName }, data: { "settings.json": settings } };
  const { metadata: created } = createChild(
    k8s.core.v1.ConfigMap,
    `${names.childName}-settings`,
    settingsMap,
    { parent },
    transforms?.gathererSettings,
  );
  const annotations = { [configHashAnnotation]: settings.apply((text) => contentHash(text)) };
  const template = { metadata: { labels: names.labels, annotations }, spec: podSpec(request, access.accountName, created.name) };
  const deployment = {
    metadata: { ...metadata, ...waitAnnotations(plan.awaitReady) },
    spec: {
      replicas: answers.replicas,
      selector: { matchLabels: names.selector },
      // A new one is ready before an old one goes.
      strategy: { type: "RollingUpdate", rollingUpdate: { maxUnavailable: 0, maxSurge: 1 } },
      template,
    },
  };
  const service = {
    metadata: { ...metadata, annotations: serviceWithoutWait },
    // The port of the pods' own Service, so that a route needs to know one number.
    spec: { type: "ClusterIP", selector: names.selector, ports: [{ name: "http", port: plan.port, targetPort: "http" }] },
  };
  const budget = {
    metadata,
    spec: { selector: { matchLabels: names.selector }, maxUnavailable: 1, unhealthyPodEvictionPolicy: "AlwaysAllow" },
  };
  createChild(k8s.policy.v1.PodDisruptionBudget, names.childName, budget, { parent }, transforms?.gathererDisruptionBudget);
  const opts = { parent, dependsOn: access.dependsOn };
  return {
    deployment: createChild(k8s.apps.v1.Deployment, names.childName, deployment, opts, transforms?.gatherer),
    service: createChild(k8s.core.v1.Service, names.childName, service, { parent }, transforms?.gathererService),
  };
}

function settingsOf({ args, plan, answers, identity, pair }: GathererRequest): pulumi.Output<string> {
  const { version, snapshot } = pair;
  const shardCount = args.shardMap?.shardCount ?? 0;
  return pulumi.output(args.namespace).apply((namespace) =>
    formatAnswerSettings({
      ...{ service: plan.facts.name, version, snapshot, shardCount, port: answerPort, healthPort: agentPort },
      upstream: { endpointService: pair.objectName, namespace, port: plan.port, nodes: identity.mode },
      merge: answers.merge,
      ...answers.limits,
    }),
  );
}

function podSpec(
  { plan, answers, identity, names }: GathererRequest,
  serviceAccountName: pulumi.Input<string>,
  settingsName: pulumi.Input<string>,
): k8s.types.input.core.v1.PodSpec {
  const resources = { cpu: answers.cpu, memory: answers.memory };
  const health = { path: "/healthz", port: "health" };
  const labelSelector = { matchLabels: names.selector };
  const spread = (topologyKey: string): object => ({ maxSkew: 1, topologyKey, whenUnsatisfiable: "ScheduleAnyway", labelSelector });
  return {
    nodeSelector: plan.nodeSelector,
    tolerations: plan.tolerations,
    ...answers.placement,
    topologySpreadConstraints: ["topology.kubernetes.io/zone", "kubernetes.io/hostname"].map(
      spread,
    ) as k8s.types.input.core.v1.TopologySpreadConstraint[],
    serviceAccountName,
    // It asks the API server for the pods of its Service.
    automountServiceAccountToken: true,
    enableServiceLinks: false,
    terminationGracePeriodSeconds: seconds.preStop + seconds.drain + seconds.end,
    securityContext: { runAsNonRoot: true, runAsUser: agentUser, runAsGroup: agentUser },
    containers: [
      {
        name: "answer",
        image: plan.agentImage,
        command: answerCommand,
        ports: [
          { name: "http", containerPort: answerPort },
          { name: "health", containerPort: agentPort },
        ],
        env: [{ name: "NODE_OPTIONS", value: `--max-old-space-size=${answers.heapMebibytes}` }],
        resources: { requests: resources, limits: resources },
        startupProbe: { httpGet: health, periodSeconds: 2, failureThreshold: 60 },
        livenessProbe: { httpGet: health, periodSeconds: 10, timeoutSeconds: 5, failureThreshold: 3 },
        readinessProbe: { httpGet: { path: "/readyz", port: "health" }, periodSeconds: 5, timeoutSeconds: 3, failureThreshold: 2 },
        lifecycle: { preStop: { sleep: { seconds: seconds.preStop } } },
        ...lastWords,
        securityContext: restrictedContainer,
        volumeMounts: [
          { name: "settings", mountPath: answerSettingsPath.replace(/\/[^/]+$/, ""), readOnly: true },
          { name: "shards", mountPath: shardFilesPath, readOnly: true },
        ],
      },
    ],
    volumes: [
      { name: "settings", configMap: { name: settingsName } },
      // A folder, not single files: it follows a new shard map, so that no gatherer is rolled for one.
      { name: "shards", configMap: { name: identity.configMapName } },
    ],
  };
}

/** What the gatherers may do in the API server. */
interface Access {
  accountName: pulumi.Input<string>;
  /** What must exist before they start. */
  dependsOn: pulumi.Resource[];
}

/** One account for all gatherers of the service: it may list EndpointSlices in its namespace and, where names do not say which Node is which, Nodes. */
function createAccess(parent: pulumi.Resource, args: VersionedServiceArgs, plan: VersionedServicePlan, identity: NodeIdentityPlan): Access {
  const { namespace, transforms } = args;
  const childName = `${plan.name}-${gathererPart}`;
  const metadata = { name: dnsName(plan.name, gathererPart), namespace, labels: describeLabels(plan.name, gathererPart) };
  const account = createChild(
    k8s.core.v1.ServiceAccount,
    childName,
    { metadata, automountServiceAccountToken: false },
    { parent },
    transforms?.gathererAccount,
  );
  const subjects = [{ kind: "ServiceAccount", name: account.metadata.name, namespace }];
  const apiGroup = "rbac.authorization.k8s.io";
  const rules = [{ apiGroups: ["discovery.k8s.io"], resources: ["endpointslices"], verbs: ["list"] }];
  const role = createChild(k8s.rbac.v1.Role, childName, { metadata, rules }, { parent }, transforms?.gathererRole);
  const binding = createChild(
    k8s.rbac.v1.RoleBinding,
    childName,
    { metadata, subjects, roleRef: { apiGroup, kind: "Role", name: role.metadata.name } },
    { parent },
    transforms?.gathererBinding,
  );
  if (identity.mode === "nodeName") {
    return { accountName: account.metadata.name, dependsOn: [binding] };
  }
  // Cluster-wide names carry the namespace, so that two meshes of one cluster do not share a role.
  const clusterWide = { name: pulumi.interpolate`compute-mesh:${namespace}:${childName}:nodes`, labels: metadata.labels };
  const nodeRules = [{ apiGroups: [""], resources: ["nodes"], verbs: ["list"] }];
  const nodeRole = createChild(
    k8s.rbac.v1.ClusterRole,
    `${childName}-nodes`,
    { metadata: clusterWide, rules: nodeRules },
    { parent },
    transforms?.gathererNodeRole,
  );
  const nodeBinding = createChild(
    k8s.rbac.v1.ClusterRoleBinding,
    `${childName}-nodes`,
    { metadata: clusterWide, subjects, roleRef: { apiGroup, kind: "ClusterRole", name: nodeRole.metadata.name } },
    { parent },
    transforms?.gathererNodeBinding,
  );
  return { accountName: account.metadata.name, dependsOn: [binding, nodeBinding] };
}
