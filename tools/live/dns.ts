/** The cluster's DNS: CoreDNS on every node, which answers the pods of its own node, so that no other node's failure stops it. */
import type { ApiRequest } from "../kubeconfig";
import { dnsAddress, dnsImage } from "./state";

const name = "coredns";
const namespace = "kube-system";

/** There is no way out of the cluster, so no question is handed on. */
const corefile = `.:53 {
  errors
  health :8080 {
    lameduck 0s
  }
  ready :8181
  kubernetes cluster.local in-addr.arpa ip6.arpa {
    pods insecure
    ttl 5
  }
  cache 5 {
    disable success cluster.local
    disable denial cluster.local
  }
}
`;

/** The objects, in the order in which they are made. */
export function dnsObjects(): Record<string, unknown>[] {
  const metadata = { name, namespace };
  const labels = { "k8s-app": "kube-dns" };
  const read = (apiGroups: string[], resources: string[]): unknown => ({ apiGroups, resources, verbs: ["list", "watch"] });
  const container = {
    name,
    image: dnsImage,
    imagePullPolicy: "IfNotPresent",
    args: ["-conf", "/etc/coredns/Corefile"],
    ports: [
      { name: "dns", containerPort: 53, protocol: "UDP" },
      { name: "dns-tcp", containerPort: 53, protocol: "TCP" },
    ],
    readinessProbe: { httpGet: { path: "/ready", port: 8181 }, periodSeconds: 2, timeoutSeconds: 5 },
    livenessProbe: { httpGet: { path: "/health", port: 8080 }, initialDelaySeconds: 30, timeoutSeconds: 5 },
    resources: { requests: { cpu: "20m", memory: "30Mi" }, limits: { memory: "170Mi" } },
    securityContext: {
      allowPrivilegeEscalation: false,
      readOnlyRootFilesystem: true,
      capabilities: { add: ["NET_BIND_SERVICE"], drop: ["ALL"] },
    },
    volumeMounts: [{ name: "config", mountPath: "/etc/coredns", readOnly: true }],
  };
  return [
    { apiVersion: "v1", kind: "ServiceAccount", metadata },
    {
      apiVersion: "rbac.authorization.k8s.io/v1",
      kind: "ClusterRole",
      metadata: { name: "system:coredns" },
      rules: [read([""], ["services", "pods", "namespaces"]), read(["discovery.k8s.io"], ["endpointslices"])],
    },
    {
      apiVersion: "rbac.authorization.k8s.io/v1",
      kind: "ClusterRoleBinding",
      metadata: { name: "system:coredns" },
      roleRef: { apiGroup: "rbac.authorization.k8s.io", kind: "ClusterRole", name: "system:coredns" },
      subjects: [{ kind: "ServiceAccount", name, namespace }],
    },
    { apiVersion: "v1", kind: "ConfigMap", metadata, data: { Corefile: corefile } },
    {
      apiVersion: "v1",
      kind: "Service",
      metadata: { name: "kube-dns", namespace, labels },
      spec: {
        clusterIP: dnsAddress,
        internalTrafficPolicy: "Local",
        selector: labels,
        ports: [
          { name: "dns", port: 53, protocol: "UDP" },
          { name: "dns-tcp", port: 53, protocol: "TCP" },
        ],
      },
    },
    {
      apiVersion: "apps/v1",
      kind: "DaemonSet",
      metadata,
      spec: {
        selector: { matchLabels: labels },
        template: {
          metadata: { labels },
          spec: {
            serviceAccountName: name,
            priorityClassName: "system-node-critical",
            tolerations: [{ operator: "Exists" }],
            dnsPolicy: "Default",
            containers: [container],
            volumes: [{ name: "config", configMap: { name } }],
          },
        },
      },
    },
  ];
}

const plurals: Record<string, string> = {
  ServiceAccount: "api/v1/namespaces/kube-system/serviceaccounts",
  ClusterRole: "apis/rbac.authorization.k8s.io/v1/clusterroles",
  ClusterRoleBinding: "apis/rbac.authorization.k8s.io/v1/clusterrolebindings",
  ConfigMap: "api/v1/namespaces/kube-system/configmaps",
  Service: "api/v1/namespaces/kube-system/services",
  DaemonSet: "apis/apps/v1/namespaces/kube-system/daemonsets",
};

/** Makes the objects, or brings them up to date. */
export async function installDns(request: ApiRequest): Promise<void> {
  for (const object of dnsObjects()) {
    const { kind, metadata } = object as { kind: string; metadata: { name: string } };
    const path = `/${plurals[kind]}/${metadata.name}?fieldManager=compute-mesh&force=true`;
    const { status, body } = await request("PATCH", path, JSON.stringify(object), "application/apply-patch+yaml");
    if (status >= 300) throw new Error(`${kind} ${metadata.name} is refused: ${JSON.stringify(body)}`);
  }
}

interface PodObject {
  spec: { nodeName?: string };
  metadata: { deletionTimestamp?: string };
  status?: {
    conditions?: { type: string; status: string }[];
    containerStatuses?: { state?: { running?: { startedAt?: string }; waiting?: { reason?: string; message?: string } } }[];
  };
}

/** True where `time` is missing or lies in a second before that of `since`: Kubernetes keeps whole seconds. */
export function isBefore(time: string | undefined, since: string): boolean {
  return time === undefined || Date.parse(time) < Math.floor(Date.parse(since) / 1000) * 1000;
}

/** A function that says why the DNS of a node that was started at `since` does not answer; undefined where it does. */
export async function dnsReadyOn(request: ApiRequest): Promise<(node: string, since: string) => string | undefined> {
  const { body } = await request("GET", `/api/v1/namespaces/${namespace}/pods?labelSelector=k8s-app%3Dkube-dns`);
  const pods = (body as { items?: PodObject[] }).items ?? [];
  return (node, since) => {
    const pod = pods.find(({ spec, metadata }) => spec.nodeName === node && metadata.deletionTimestamp === undefined);
    if (!pod) return "its DNS pod is not there yet";
    const state = pod.status?.containerStatuses?.[0]?.state;
    const ready = pod.status?.conditions?.some(({ type, status }) => type === "Ready" && status === "True");
    // The pod of before the node's death is shown as ready until the new kubelet has looked at it.
    if (ready && !isBefore(state?.running?.startedAt, since)) return undefined;
    const waiting = state?.waiting;
    return `its DNS pod is not ready${waiting ? ` (${waiting.reason}${waiting.message ? `: ${waiting.message}` : ""})` : ""}`;
  };
}
