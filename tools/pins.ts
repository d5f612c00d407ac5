/** Every tool of the chain: its version, how the installed one says its own, where it is downloaded from, and the Go module it is built from. */
import { arch as nodeArch, platform as nodePlatform } from "node:os";

/** Tools by name. */
export type ToolName = "etcd" | "kubernetes" | "kwok" | "pulumi";

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
const component = "k8s.io/component-base/version";

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
      ldflags: `-s -w -X ${component}.gitVersion=v${kubernetesVersion} -X ${component}.gitMajor=1 -X ${component}.gitMinor=36`,
    },
    downloads: ({ os, arch }) =>
      // The server binaries are published for Linux only.
      os !== "linux"
        ? []
        : ["kube-apiserver", "kube-controller-manager", "kube-scheduler"].map((binary) => {
            const url = `https://dl.k8s.io/v${kubernetesVersion}/bin/${os}/${arch}/${binary}`;
            return { url, checksumUrl: `${url}.sha256`, kind: "binary" as const, binary };
          }),
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
};

/** The tools of the embedded cluster. */
export const clusterTools: ToolName[] = ["etcd", "kubernetes", "kwok"];

/** Version of the Kubernetes resource plugin; the same as that of `@pulumi/kubernetes` in package.json. */
export const kubernetesPluginVersion = "4.34.2";

/** The oldest Go that can fetch a newer toolchain by itself, as the modules ask for. */
export const oldestGo = "1.21";

/** The Go that the modules ask for; needed where GOTOOLCHAIN=local forbids fetching one. */
export const wantedGo = "1.26";
