/**
 * A fourth cloud, as an example of `customNodeProvider`: whatever Cluster API (https://cluster-api.sigs.k8s.io) has machines of, from vSphere to bare metal.
 *
 * The workload cluster is there; its kubeconfig lies in a Secret of the management cluster. A mesh node is a MachineDeployment of one: Cluster API replaces its
 * machine when it dies, and rolls it over (new before old, drained with PodDisruptionBudgets respected) when its template changes.
 */
import * as k8s from "@pulumi/kubernetes";
import * as pulumi from "@pulumi/pulumi";
import {
  customNodeProvider,
  chooseInstanceType,
  generation,
  type InstanceTable,
  kubernetesProvider,
  meshNodeLabels,
} from "../../providers/custom";
import type { ChildOptions, ClusterHandle, MeshNodeHandle, MeshNodeRequest, NodeProvider } from "../../providers/provider";

/** Options of the Cluster API provider. */
export interface ClusterApiOptions {
  /** Name of the workload cluster, and of its `Cluster` object. */
  clusterName: string;
  /** Namespace of that object in the management cluster. Default: `default`. */
  namespace?: string;
  region: string;
  /** Kubernetes version of the machines, for example `v1.34.1`; a change rolls them over. */
  version: string;
  /** The machine templates of the infrastructure provider by the names of machines in `machines`. */
  templates: { apiGroup: string; kind: string; names: Record<string, string> };
  /** What machines there are; a spec gets the cheapest that fits. */
  machines: InstanceTable;
  /** Provider of the management cluster. */
  management: k8s.Provider;
}

const clusterGroup = "cluster.x-k8s.io";
const bootstrapGroup = "bootstrap.cluster.x-k8s.io";

/** Mesh nodes of Cluster API. */
export function clusterApiProvider(options: ClusterApiOptions): NodeProvider {
  const { clusterName, region, machines } = options;
  return customNodeProvider({
    name: "cluster-api",
    clusterName,
    region,
    check: ({ spec }) => chooseInstanceType(machines, spec).problems,
    describe: ({ spec }) => chooseInstanceType(machines, spec).explanation,
    createCluster: (name, opts) => adoptCluster(name, options, opts),
    createNode: (name, request, _made, opts) => createMachine(name, request, options, opts),
  });
}

function adoptCluster(name: string, options: ClusterApiOptions, opts: pulumi.ResourceOptions): ClusterHandle {
  const { clusterName, namespace = "default", management } = options;
  // Cluster API keeps it there, and renews its certificates: https://cluster-api.sigs.k8s.io/developer/core/controllers/cluster#secrets
  const secret = k8s.core.v1.Secret.get(`${name}-kubeconfig`, `${namespace}/${clusterName}-kubeconfig`, { ...opts, provider: management });
  const kubeconfig = secret.data.apply((data) => Buffer.from(data["value"] ?? "", "base64").toString());
  const identifier = `cluster-api/${namespace}/${clusterName}`;
  const kubernetes = kubernetesProvider(name, { kubeconfig, identifier }, opts);
  return { name: clusterName, kubernetes, ready: kubernetes.id.apply(() => true) };
}

function createMachine(name: string, request: MeshNodeRequest, options: ClusterApiOptions, opts: ChildOptions): MeshNodeHandle {
  const { clusterName, namespace = "default", version, templates, management } = options;
  const { spec, nodeName, mesh } = request;
  const machine = chooseInstanceType(options.machines, spec).name;
  const own = { ...opts, provider: management };
  const objectName = `${mesh}-${nodeName}`;
  const registration = {
    // Cluster API itself hands on only labels below its own prefixes.
    kubeletExtraArgs: [{ name: "node-labels", value: labelText(meshNodeLabels(request)) }],
    taints: (spec.taints ?? []).map(({ key, value, effect }) => ({ key, value: value ?? "", effect })),
  };
  const bootstrap = new k8s.apiextensions.CustomResource(
    `${name}-bootstrap`,
    {
      apiVersion: `${bootstrapGroup}/v1beta2`,
      kind: "KubeadmConfigTemplate",
      // Templates are immutable, so that another content is another template and the machine is rolled over to it.
      metadata: { name: `${objectName}-${generation(registration)}`, namespace },
      spec: { template: { spec: { joinConfiguration: { nodeRegistration: registration } } } },
    },
    own,
  );
  const labels = { "cluster.x-k8s.io/cluster-name": clusterName, ...meshNodeLabels(request) };
  const deployment = new k8s.apiextensions.CustomResource(
    `${name}-machine`,
    {
      apiVersion: `${clusterGroup}/v1beta2`,
      kind: "MachineDeployment",
      metadata: { name: objectName, namespace, labels },
      spec: {
        clusterName,
        replicas: 1,
        selector: { matchLabels: labels },
        rollout: { strategy: { type: "RollingUpdate", rollingUpdate: { maxSurge: 1, maxUnavailable: 0 } } },
        template: {
          metadata: { labels },
          spec: {
            clusterName,
            version,
            failureDomain: spec.zone,
            bootstrap: { configRef: { apiGroup: bootstrapGroup, kind: "KubeadmConfigTemplate", name: bootstrap.metadata.name } },
            infrastructureRef: { apiGroup: templates.apiGroup, kind: templates.kind, name: templates.names[machine] ?? machine },
          },
        },
      },
    },
    own,
  );
  return { kubernetesNodeName: pulumi.output(undefined), providerId: deployment.id, ready: deployment.id.apply(() => true) };
}

function labelText(labels: Record<string, string>): string {
  return Object.entries(labels)
    .map(([key, value]) => `${key}=${value}`)
    .join(",");
}
