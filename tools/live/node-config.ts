/** The settings of a node's programs. Every node sees its own folders at the same usual paths, so that little differs between them. */
import type { LiveNodeState, LiveState } from "./state";
import { dnsAddress, nodeAddress, pauseImage, podNetwork, podRange } from "./state";

/** Address of containerd as processes of the node see it. */
export const containerdSocket = "/run/containerd/containerd.sock";

/** What containerd needs to know of the machine. */
export interface RuntimeFacts {
  runc: string;
  /** Folder of containerd's CNI configuration. */
  cniFolder: string;
  /** File with what the specification of every container begins with. Default: containerd's own. */
  containerSpec?: string;
  /** False where the kernel refuses processes that want to be killed later than others by the memory killer (no CAP_SYS_RESOURCE). */
  mayLowerOomScore: boolean;
}

/** containerd.toml. */
export function containerdConfig(state: Pick<LiveState, "cniPlugins" | "snapshotter">, facts: RuntimeFacts): string {
  const text = JSON.stringify;
  return `version = 3
root = "/var/lib/containerd"
state = "/run/containerd"
oom_score = 0
disabled_plugins = [
  "io.containerd.internal.v1.opt",
  "io.containerd.internal.v1.tracing",
  "io.containerd.nri.v1.nri",
  "io.containerd.snapshotter.v1.blockfile",
  "io.containerd.snapshotter.v1.erofs",
  "io.containerd.tracing.processor.v1.otlp",
]

[grpc]
  address = ${text(containerdSocket)}

[plugins."io.containerd.cri.v1.images"]
  snapshotter = ${text(state.snapshotter)}
[plugins."io.containerd.cri.v1.images".pinned_images]
  sandbox = ${text(pauseImage)}

[plugins."io.containerd.cri.v1.runtime"]
  disable_apparmor = true
  # Otherwise every pod fails with "can't get final child's PID from pipe: EOF" where the capability is missing.
  restrict_oom_score_adj = ${!facts.mayLowerOomScore}
  # They end with the node's own mounts.
  netns_mounts_under_state_dir = true
[plugins."io.containerd.cri.v1.runtime".containerd.runtimes.runc]
  runtime_type = "io.containerd.runc.v2"
${facts.containerSpec === undefined ? "" : `  base_runtime_spec = ${text(facts.containerSpec)}\n`}[plugins."io.containerd.cri.v1.runtime".containerd.runtimes.runc.options]
  BinaryName = ${text(facts.runc)}
  SystemdCgroup = false
[plugins."io.containerd.cri.v1.runtime".cni]
  bin_dirs = [${text(state.cniPlugins)}]
  conf_dir = ${text(facts.cniFolder)}
`;
}

/**
 * The pods' network. Each pod hangs on a link of its own and the node routes between them: with a bridge, answers between two pods of one node would go past
 * the rules of Services unless the kernel module br_netfilter is loaded.
 */
export function cniConfig(node: LiveNodeState): string {
  const ranges = [[{ subnet: podRange(node) }]];
  const plugins = [
    { type: "ptp", ipMasq: false, ipam: { type: "host-local", dataDir: "/var/lib/cni/networks", ranges, routes: [{ dst: "0.0.0.0/0" }] } },
    { type: "portmap", capabilities: { portMappings: true } },
  ];
  return JSON.stringify({ cniVersion: "1.0.0", name: "pods", plugins }, undefined, 2);
}

/** Settings of kubelet; JSON is YAML too. */
export function kubeletConfig(
  node: LiveNodeState,
  settings: { cgroup: string; caFile: string; resolvConf: string; nodeGraceSeconds: number },
): string {
  // Renewed at a quarter of its length: several tries fit into the time after which the node counts as dead.
  const lease = Math.max(2, Math.floor(settings.nodeGraceSeconds / 2));
  const never = {
    "memory.available": "0%",
    "nodefs.available": "0%",
    "nodefs.inodesFree": "0%",
    "imagefs.available": "0%",
    "imagefs.inodesFree": "0%",
    "pid.available": "0%",
  };
  return JSON.stringify(
    {
      apiVersion: "kubelet.config.k8s.io/v1beta1",
      kind: "KubeletConfiguration",
      address: nodeAddress(node),
      healthzBindAddress: "127.0.0.1",
      authentication: { x509: { clientCAFile: settings.caFile }, anonymous: { enabled: false }, webhook: { enabled: true } },
      authorization: { mode: "Webhook" },
      containerRuntimeEndpoint: `unix://${containerdSocket}`,
      cgroupDriver: "cgroupfs",
      cgroupRoot: settings.cgroup,
      failCgroupV1: false,
      failSwapOn: false,
      clusterDNS: [dnsAddress],
      clusterDomain: "cluster.local",
      resolvConf: settings.resolvConf,
      volumePluginDir: "/var/lib/kubelet/volume-plugins",
      enforceNodeAllocatable: ["pods"],
      // All nodes share the machine's disk and memory: a full one must not make every node throw its pods and images away.
      evictionHard: never,
      imageGCHighThresholdPercent: 100,
      imageGCLowThresholdPercent: 99,
      oomScoreAdj: 0,
      nodeStatusUpdateFrequency: "2s",
      nodeStatusReportFrequency: "10s",
      nodeLeaseDurationSeconds: lease,
      syncFrequency: "10s",
      // Not up to five minutes, as on nodes of production: somebody is looking on.
      crashLoopBackOff: { maxContainerRestartPeriod: "2s" },
      serializeImagePulls: false,
      shutdownGracePeriod: "0s",
    },
    undefined,
    2,
  );
}

/** Settings of kube-proxy. */
export function proxyConfig(node: LiveNodeState, settings: { kubeconfig: string; mode: LiveState["proxyMode"] }): string {
  return JSON.stringify(
    {
      apiVersion: "kubeproxy.config.k8s.io/v1alpha1",
      kind: "KubeProxyConfiguration",
      clientConnection: { kubeconfig: settings.kubeconfig },
      hostnameOverride: node.name,
      mode: settings.mode,
      clusterCIDR: podNetwork,
      bindAddress: nodeAddress(node),
      healthzBindAddress: "127.0.0.1:10256",
      metricsBindAddress: "127.0.0.1:10249",
      oomScoreAdj: 0,
      // Limits of the whole machine, which a network namespace may not set.
      conntrack: { maxPerCore: 0, tcpEstablishedTimeout: "0s", tcpCloseWaitTimeout: "0s" },
    },
    undefined,
    2,
  );
}

/** Value of kubelet's --node-labels. */
export function nodeLabels(node: LiveNodeState, region: string): string {
  const labels = { "topology.kubernetes.io/region": region, "topology.kubernetes.io/zone": node.zone, ...node.labels };
  return Object.entries(labels)
    .map(([key, value]) => `${key}=${value}`)
    .join(",");
}
