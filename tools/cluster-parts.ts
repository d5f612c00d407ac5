/** The processes of an embedded cluster: which there are, in which order they start, and their arguments. */
import { join } from "node:path";
import type { Pki } from "./pki";

/** Processes by name, in the order in which they start. */
export const partNames = ["etcd", "kube-apiserver", "kube-controller-manager", "kube-scheduler", "kwok"] as const;
export type PartName = (typeof partNames)[number];

/** Ports of 127.0.0.1. The other parts listen nowhere. */
export interface ClusterPorts {
  api: number;
  etcd: number;
  etcdPeer: number;
}

/** Where the files of one cluster lie. */
export interface ClusterPaths {
  dir: string;
  /** Ports, and when the cluster was made. */
  state: string;
  pki: string;
  pids: string;
  logs: string;
  etcdData: string;
  /** Static tokens of the API server. */
  tokens: string;
  /** For users: everything is allowed. */
  kubeconfig: string;
  partKubeconfig(part: PartName): string;
}

/** The files of the cluster in `dir`. */
export function clusterPaths(dir: string): ClusterPaths {
  return {
    dir,
    state: join(dir, "cluster.json"),
    pki: join(dir, "pki"),
    pids: join(dir, "pids"),
    logs: join(dir, "logs"),
    etcdData: join(dir, "etcd"),
    tokens: join(dir, "tokens.csv"),
    kubeconfig: join(dir, "kubeconfig"),
    partKubeconfig: (part) => join(dir, `${part}.kubeconfig`),
  };
}

/** Users of the API server: the file of tokens names them, RBAC's built-in roles say what they may do. */
export const partUsers: Partial<Record<PartName | "admin", { user: string; groups: string[] }>> = {
  admin: { user: "compute-mesh-admin", groups: ["system:masters"] },
  "kube-controller-manager": { user: "system:kube-controller-manager", groups: [] },
  "kube-scheduler": { user: "system:kube-scheduler", groups: [] },
  // It plays every kubelet and the provisioner of volumes at once; no built-in role fits.
  kwok: { user: "compute-mesh-kwok", groups: ["system:masters"] },
};

/** Everything that arguments depend on. */
export interface PartContext {
  paths: ClusterPaths;
  ports: ClusterPorts;
  pki: Pki;
  stages: string[];
}

/** Where a part listens, for people. */
export function listenPorts(part: PartName, ports: ClusterPorts): number[] {
  return part === "etcd" ? [ports.etcd, ports.etcdPeer] : part === "kube-apiserver" ? [ports.api] : [];
}

/** The arguments of each part. */
export const partArguments: Record<PartName, (context: PartContext) => string[]> = {
  etcd: ({ paths, ports, pki }) => {
    const client = `https://127.0.0.1:${ports.etcd}`;
    const peer = `https://127.0.0.1:${ports.etcdPeer}`;
    return [
      "--name=compute-mesh",
      `--data-dir=${paths.etcdData}`,
      `--listen-client-urls=${client}`,
      `--advertise-client-urls=${client}`,
      `--listen-peer-urls=${peer}`,
      `--initial-advertise-peer-urls=${peer}`,
      `--initial-cluster=compute-mesh=${peer}`,
      "--client-cert-auth=true",
      `--trusted-ca-file=${pki.etcdCaCertificate}`,
      `--cert-file=${pki.etcdCertificate}`,
      `--key-file=${pki.etcdKey}`,
      "--peer-client-cert-auth=true",
      `--peer-trusted-ca-file=${pki.etcdCaCertificate}`,
      `--peer-cert-file=${pki.etcdCertificate}`,
      `--peer-key-file=${pki.etcdKey}`,
      // A killed process loses nothing by it, a machine that loses power may: the data of a simulated cluster is worth the speed.
      "--unsafe-no-fsync",
      "--log-level=warn",
    ];
  },
  "kube-apiserver": ({ paths, ports, pki }) => [
    `--etcd-servers=https://127.0.0.1:${ports.etcd}`,
    `--etcd-cafile=${pki.etcdCaCertificate}`,
    `--etcd-certfile=${pki.etcdClientCertificate}`,
    `--etcd-keyfile=${pki.etcdClientKey}`,
    "--bind-address=127.0.0.1",
    `--secure-port=${ports.api}`,
    // A loopback address is not allowed in the Endpoints of the Service `kubernetes`; nothing in a simulated pod would dial it.
    "--advertise-address=127.0.0.1",
    "--endpoint-reconciler-type=none",
    `--tls-cert-file=${pki.serverCertificate}`,
    `--tls-private-key-file=${pki.serverKey}`,
    `--token-auth-file=${paths.tokens}`,
    "--anonymous-auth=false",
    "--authorization-mode=RBAC",
    // On by default; named because tests of restricted pods rest on it.
    "--enable-admission-plugins=PodSecurity",
    "--allow-privileged=true",
    "--service-account-issuer=https://kubernetes.default.svc",
    `--service-account-key-file=${pki.serviceAccountKey}`,
    `--service-account-signing-key-file=${pki.serviceAccountKey}`,
    "--service-cluster-ip-range=10.96.0.0/16",
    "--profiling=false",
  ],
  "kube-controller-manager": ({ paths, pki }) => [
    `--kubeconfig=${paths.partKubeconfig("kube-controller-manager")}`,
    "--use-service-account-credentials=true",
    `--service-account-private-key-file=${pki.serviceAccountKey}`,
    `--root-ca-file=${pki.caCertificate}`,
    "--leader-elect=false",
    "--allocate-node-cidrs=false",
    // Nobody asks for its metrics: it listens nowhere.
    "--secure-port=0",
    // The defaults spare a shared API server; this one has no other users.
    "--kube-api-qps=200",
    "--kube-api-burst=400",
  ],
  "kube-scheduler": ({ paths }) => [
    `--kubeconfig=${paths.partKubeconfig("kube-scheduler")}`,
    "--leader-elect=false",
    "--secure-port=0",
    "--kube-api-qps=200",
    "--kube-api-burst=400",
  ],
  kwok: ({ paths, stages }) => [
    `--kubeconfig=${paths.partKubeconfig("kwok")}`,
    `--manage-nodes-with-annotation-selector=${simulatedNodeAnnotation}=fake`,
    // Without leases the controller manager takes the nodes for dead, because the heartbeat in the status comes every ten minutes only.
    "--node-lease-duration-seconds=40",
    "--cidr=10.0.0.0/16",
    "--node-ip=10.1.0.1",
    ...stages.map((file) => `--config=${file}`),
  ],
};

/** Annotation of a Node, with value `fake`: KWOK plays its kubelet. */
export const simulatedNodeAnnotation = "kwok.x-k8s.io/node";
