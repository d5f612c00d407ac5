/** The objects of one (version, snapshot) but for its gatherer. */
import * as k8s from "@pulumi/kubernetes";
import type * as pulumi from "@pulumi/pulumi";
import { createChild, serviceWithoutWait, waitAnnotations } from "../kubernetes/children";
import type { NodeIdentityParts } from "../kubernetes/node-identity";
import type { ServiceStorageArgs, VersionedServiceArgs } from "./versioned-service";
import type { ServicePair, VersionedServicePlan } from "./versioned-service-plan";
import { podTemplate } from "./versioned-service-pods";

/** The workload of one (version, snapshot). */
export function createWorkload(
  parent: pulumi.Resource,
  args: VersionedServiceArgs,
  plan: VersionedServicePlan,
  pair: ServicePair,
  identity: NodeIdentityParts | undefined,
): k8s.apps.v1.DaemonSet | k8s.apps.v1.StatefulSet {
  const metadata = { name: pair.objectName, namespace: args.namespace, labels: pair.labels, ...waitAnnotations(plan.awaitReady) };
  const common = { selector: { matchLabels: pair.selector }, template: podTemplate(args, plan, pair, identity) };
  const opts = { parent, ...(identity === undefined ? {} : { dependsOn: identity.dependsOn }) };
  if (plan.statefulSet === undefined) {
    const updateStrategy = { type: "RollingUpdate", rollingUpdate: { maxUnavailable: plan.maxUnavailable } };
    const daemonSet = { metadata, spec: { ...common, updateStrategy } };
    return createChild(k8s.apps.v1.DaemonSet, pair.childName, daemonSet, opts, args.transforms?.daemonSet);
  }
  const { replicas, storage } = plan.statefulSet;
  const statefulSet = {
    metadata,
    spec: {
      ...common,
      replicas,
      serviceName: pair.headlessName,
      // Pods of one set do not wait for each other: none needs another one to start.
      podManagementPolicy: "Parallel",
      updateStrategy: { type: "RollingUpdate" },
      ...(storage === undefined
        ? {}
        : { volumeClaimTemplates: [claimTemplate(storage)], persistentVolumeClaimRetentionPolicy: keepClaims }),
    },
  };
  return createChild(k8s.apps.v1.StatefulSet, pair.childName, statefulSet, opts, args.transforms?.statefulSet);
}

const keepClaims = { whenDeleted: "Retain", whenScaled: "Retain" };

function claimTemplate(storage: ServiceStorageArgs): k8s.types.input.core.v1.PersistentVolumeClaim {
  const storageClass = storage.storageClassName === undefined ? {} : { storageClassName: storage.storageClassName };
  return {
    metadata: { name: "data" },
    spec: { accessModes: ["ReadWriteOnce"], ...storageClass, resources: { requests: { storage: storage.size } } },
  };
}

/** The Service of the pods of one (version, snapshot). */
export function createService(
  parent: pulumi.Resource,
  args: VersionedServiceArgs,
  plan: VersionedServicePlan,
  pair: ServicePair,
): k8s.core.v1.Service {
  const service = {
    metadata: { name: pair.objectName, namespace: args.namespace, labels: pair.labels, annotations: serviceWithoutWait },
    spec: { type: "ClusterIP", selector: pair.selector, ports: servicePorts(plan) },
  };
  return createChild(k8s.core.v1.Service, pair.childName, service, { parent }, args.transforms?.service);
}

/** The headless Service of a StatefulSet and one Service for each of its pods; none for a DaemonSet. */
export function createPodServices(
  parent: pulumi.Resource,
  args: VersionedServiceArgs,
  plan: VersionedServicePlan,
  pair: ServicePair,
): k8s.core.v1.Service[] {
  if (pair.headlessName === undefined) {
    return [];
  }
  const headless = {
    metadata: { name: pair.headlessName, namespace: args.namespace, labels: pair.labels },
    // Pods can find each other before they are ready; otherwise pods that wait for their peers would wait for ever.
    spec: { clusterIP: "None", publishNotReadyAddresses: true, selector: pair.selector, ports: servicePorts(plan) },
  };
  const single = pair.podServiceNames.map((podName, ordinal) => {
    const service = {
      metadata: { name: podName, namespace: args.namespace, labels: pair.labels, annotations: serviceWithoutWait },
      // Not before it is ready: a pod that has not loaded its snapshot must not answer.
      spec: { type: "ClusterIP", selector: { "statefulset.kubernetes.io/pod-name": podName }, ports: servicePorts(plan) },
    };
    return createChild(k8s.core.v1.Service, `${pair.childName}-${ordinal}`, service, { parent }, args.transforms?.podService);
  });
  return [createChild(k8s.core.v1.Service, `${pair.childName}-pods`, headless, { parent }, args.transforms?.headlessService), ...single];
}

function servicePorts(plan: VersionedServicePlan): { name: string; port: number; targetPort: string }[] {
  return [{ name: "http", port: plan.port, targetPort: "http" }];
}

/** How many pods an eviction may take at once. */
export function createDisruptionBudget(
  parent: pulumi.Resource,
  args: VersionedServiceArgs,
  plan: VersionedServicePlan,
  pair: ServicePair,
): void {
  const budget = {
    metadata: { name: pair.objectName, namespace: args.namespace, labels: pair.labels },
    spec: {
      selector: { matchLabels: pair.selector },
      // One pod at a time. A DaemonSet has no scale subresource, so only a whole minAvailable works for its pods.
      ...(plan.statefulSet === undefined ? { minAvailable: plan.nodeCount - 1 } : { maxUnavailable: 1 }),
      // A pod that is broken anyway must not keep its node from being drained.
      unhealthyPodEvictionPolicy: "AlwaysAllow",
    },
  };
  createChild(k8s.policy.v1.PodDisruptionBudget, pair.childName, budget, { parent }, args.transforms?.podDisruptionBudget);
}
