/** Every tool of the chain: its version, how the installed one says its own, where it is downloaded from, and the Go module it is built from. */
import { arch as nodeArch, platform as nodePlatform } from "node:os";

/** Tools by name. */
export type ToolName =
  | "etcd"
  | "kubernetes"
  | "kubernetes-node"
  | "kwok"
  | "pulumi"
  | "containerd"
  | "coredns"
  | "kgateway"
  | "istiod"
  | "mesh-load"
  | "redpanda-connect"
  | "bento";

/** One file to download, with the published list of checksums where there is one. */
export interface DownloadPin {
  url: string;
  /** A file with the SHA-256 of the download: the sum alone, or lines "sum  file name". */
  checksumUrl?: string;
  /** `binary`: the file is the binary `binary`. `tar.gz`: all files of the folder `folder` inside. */
  kind: "binary" | "tar.gz";
  binary?: string;
  folder?: string;
}

/** One pinned tool. */
export interface ToolPin {
  name: ToolName;
  version: string;
  binaries: string[];
  /** How to ask an installed binary; its output must hold the version as a word of its own. */
  versionArgs: string[];
  go: {
    /** Folder of the pinned module, relative to the project. */
    folder: string;
    /** Packages in the order of `binaries`. */
    packages: string[];
    ldflags: string;
    tags?: string;
    /** Sources of ours in that folder; the others come from modules, which go.sum pins. Default: none. */
    sources?: string[];
  };
  /** Official downloads; empty where there are none for the platform. */
  downloads(platform: Platform): DownloadPin[];
}

/** A platform in the words of Go. */
export interface Platform {
  os: string;
  arch: string;
}

/** The platform that we run on. */
export function currentPlatform(): Platform {
  return { os: nodePlatform(), arch: nodeArch() === "x64" ? "amd64" : nodeArch() };
}

const kubernetesVersion = "1.36.3";
const pulumiVersion = "3.246.0";
const kgatewayVersion = "2.4.2";
const istioVersion = "1.31.0-eed52ebb66ad";
const containerdVersion = "2.4.2";
const component = "k8s.io/component-base/version";
const kubernetesFlags = `-s -w -X ${component}.gitVersion=v${kubernetesVersion} -X ${component}.gitMajor=1 -X ${component}.gitMinor=36`;

/** Kubernetes binaries are published one by one, and for Linux only. */
const kubernetesDownloads =
  (binaries: string[]) =>
  ({ os, arch }: Platform): DownloadPin[] =>
    os !== "linux"
      ? []
      : binaries.map((binary) => {
          const url = `https://dl.k8s.io/v${kubernetesVersion}/bin/${os}/${arch}/${binary}`;
          return { url, checksumUrl: `${url}.sha256`, kind: "binary" as const, binary };
        });

/** The table of all tools. */
export const pins: Record<ToolName, ToolPin> = {
  etcd: {
    name: "etcd",
    version: "3.6.0",
    binaries: ["etcd"],
    versionArgs: ["--version"],
    go: { folder: "tools/go/etcd", packages: ["go.etcd.io/etcd/server/v3"], ldflags: "-s -w" },
    downloads: ({ os, arch }) => {
      // Releases for macOS are zip archives; Go modules serve there.
      if (os !== "linux") return [];
      const base = "https://github.com/etcd-io/etcd/releases/download/v3.6.0";
      const folder = `etcd-v3.6.0-${os}-${arch}`;
      return [{ url: `${base}/${folder}.tar.gz`, checksumUrl: `${base}/SHA256SUMS`, kind: "tar.gz", folder }];
    },
  },
  kubernetes: {
    name: "kubernetes",
    version: kubernetesVersion,
    binaries: ["kube-apiserver", "kube-controller-manager", "kube-scheduler"],
    versionArgs: ["--version"],
    go: {
      folder: "tools/go/kubernetes",
      packages: [
        "k8s.io/kubernetes/cmd/kube-apiserver",
        "k8s.io/kubernetes/cmd/kube-controller-manager",
        "k8s.io/kubernetes/cmd/kube-scheduler",
      ],
      ldflags: kubernetesFlags,
    },
    downloads: kubernetesDownloads(["kube-apiserver", "kube-controller-manager", "kube-scheduler"]),
  },
  "kubernetes-node": {
    name: "kubernetes-node",
    version: kubernetesVersion,
    binaries: ["kubelet", "kube-proxy"],
    versionArgs: ["--version"],
    go: {
      folder: "tools/go/kubernetes",
      packages: ["k8s.io/kubernetes/cmd/kubelet", "k8s.io/kubernetes/cmd/kube-proxy"],
      ldflags: kubernetesFlags,
    },
    downloads: kubernetesDownloads(["kubelet", "kube-proxy"]),
  },
  kwok: {
    name: "kwok",
    version: "0.8.0",
    binaries: ["kwok"],
    versionArgs: ["--version"],
    go: { folder: "tools/go/kwok", packages: ["sigs.k8s.io/kwok/cmd/kwok"], ldflags: "-s -w" },
    // No list of checksums of these binaries is known to us; TLS and the version it reports are what there is.
    downloads: ({ os, arch }) => [
      { url: `https://github.com/kubernetes-sigs/kwok/releases/download/v0.8.0/kwok-${os}-${arch}`, kind: "binary", binary: "kwok" },
    ],
  },
  pulumi: {
    name: "pulumi",
    version: pulumiVersion,
    binaries: ["pulumi"],
    versionArgs: ["version"],
    go: {
      folder: "tools/go/pulumi",
      packages: ["github.com/pulumi/pulumi/pkg/v3/cmd/pulumi"],
      ldflags: `-s -w -X github.com/pulumi/pulumi/sdk/v3/go/common/version.Version=v${pulumiVersion}`,
    },
    downloads: ({ os, arch }) => [
      {
        url: `https://get.pulumi.com/releases/sdk/pulumi-v${pulumiVersion}-${os}-${arch === "amd64" ? "x64" : arch}.tar.gz`,
        checksumUrl: `https://github.com/pulumi/pulumi/releases/download/v${pulumiVersion}/pulumi-${pulumiVersion}-checksums.txt`,
        kind: "tar.gz",
        // The language hosts lie in the same folder and are kept beside the CLI, where it looks for them.
        folder: "pulumi",
      },
    ],
  },
  containerd: {
    name: "containerd",
    version: containerdVersion,
    binaries: ["containerd", "containerd-shim-runc-v2", "ctr"],
    versionArgs: ["-v"],
    go: {
      folder: "tools/go/containerd",
      packages: [
        "github.com/containerd/containerd/v2/cmd/containerd",
        "github.com/containerd/containerd/v2/cmd/containerd-shim-runc-v2",
        "github.com/containerd/containerd/v2/cmd/ctr",
      ],
      ldflags: `-s -w -X github.com/containerd/containerd/v2/version.Version=${containerdVersion}`,
      // The snapshotters left out need headers of C libraries or kernel parts that few machines have; overlayfs is the one that we use.
      tags: "urfave_cli_no_docs no_btrfs no_zfs no_devmapper static_build",
    },
    downloads: ({ os, arch }) => {
      if (os !== "linux") return [];
      const url = `https://github.com/containerd/containerd/releases/download/v${containerdVersion}/containerd-static-${containerdVersion}-${os}-${arch}.tar.gz`;
      return [{ url, checksumUrl: `${url}.sha256sum`, kind: "tar.gz", folder: "bin" }];
    },
  },
  coredns: {
    name: "coredns",
    version: "1.15.0",
    binaries: ["coredns"],
    versionArgs: ["-version"],
    go: {
      folder: "tools/go/coredns",
      packages: ["."],
      ldflags: "-s -w -X github.com/coredns/coredns/coremain.GitCommit=v1.15.0",
      sources: ["main.go"],
    },
    // The published one has every plugin; ours has those that the live cluster uses, on every machine the same.
    downloads: () => [],
  },
  kgateway: {
    name: "kgateway",
    version: kgatewayVersion,
    binaries: ["kgateway"],
    versionArgs: ["-version"],
    go: {
      folder: "tools/go/kgateway",
      packages: ["."],
      ldflags: `-s -w -X github.com/kgateway-dev/kgateway/v2/pkg/version.Version=${kgatewayVersion}`,
      sources: ["main.go"],
    },
    // It is published as an image only, and that one listens on every address.
    downloads: () => [],
  },
  istiod: {
    name: "istiod",
    // Istio tags its releases without a v, so Go knows them as commits only. This one is of the 1.31 line; tools/live/istio.ts has it behave as 1.30 does.
    version: istioVersion,
    binaries: ["istiod"],
    versionArgs: ["-version"],
    go: {
      folder: "tools/go/istio",
      packages: ["."],
      ldflags: `-s -w -X istio.io/istio/pkg/version.buildVersion=${istioVersion}`,
      sources: ["main.go", "validate.go"],
    },
    // It is published as an image only, and that one listens on every address.
    downloads: () => [],
  },
  "mesh-load": {
    name: "mesh-load",
    version: "0.1.0",
    binaries: ["mesh-load"],
    versionArgs: ["version"],
    go: {
      folder: "tools/go/load",
      packages: ["."],
      ldflags: "-s -w",
      sources: ["main.go", "produce.go", "records.go", "totals.go", "truth.go"],
    },
    downloads: () => [],
  },
  // The stock engines of ShardedIngest, with the components that it configures.
  "redpanda-connect": {
    name: "redpanda-connect",
    version: "4.105.0",
    binaries: ["redpanda-connect"],
    versionArgs: ["--version"],
    go: { folder: "tools/go/connect", packages: ["."], ldflags: "-s -w", sources: ["main.go"] },
    downloads: () => [],
  },
  bento: {
    name: "bento",
    version: "1.10.0",
    binaries: ["bento"],
    versionArgs: ["--version"],
    // As for its image in the live cluster.
    go: { folder: "tools/live/images/bento", packages: ["."], ldflags: "-s -w", tags: "timetzdata", sources: ["main.go"] },
    downloads: () => [],
  },
};

/** The tools of the embedded cluster. */
export const clusterTools: ToolName[] = ["etcd", "kubernetes", "kwok"];

/** The tools of the live cluster, beside what Debian packages bring. */
export const liveClusterTools: ToolName[] = ["etcd", "kubernetes", "kubernetes-node", "containerd", "coredns"];

/** Version of the Kubernetes resource plugin; the same as that of `@pulumi/kubernetes` in package.json. */
export const kubernetesPluginVersion = "4.34.2";

/** The oldest Go that can fetch a newer toolchain by itself, as the modules ask for. */
export const oldestGo = "1.21";

/** The Go that the modules ask for; needed where GOTOOLCHAIN=local forbids fetching one. */
export const wantedGo = "1.26";
