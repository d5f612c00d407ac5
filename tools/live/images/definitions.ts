/** Every image that can be packed here: its Dockerfile, and what it is in place of the official one. The table in README.md is made of this. */
import { agentStage, chdbStage, goStage, type MakeStage, npmStage, pauseStage, toolStage, withCertificates } from "./stages";

/** One image. */
export interface ImageDefinition {
  /** Full name with tag. */
  name: string;
  /** Path in the project. */
  dockerfile: string;
  /** Folder in the project that COPY takes files from. Default: that of the Dockerfile. */
  context?: string;
  /** Stage of the Dockerfile. Default: the last one. */
  target?: string;
  /** How the build stages are made here. */
  stages?: Record<string, MakeStage>;
  /** Debian packages that the program does not need, left out to import faster. */
  leaveOut?: readonly string[];
  /** What it is locally. */
  what: string;
  /** What differs from the published image. */
  differs: string;
}

const own = "tools/live/images";

/** Stands for ClickHouse of today in tests of the engine `clickhouse`. */
export const clickhouseEngineImage = "ghcr.io/compute-mesh/clickhouse-engine:26.9.0";

/** All images, in the order in which they are packed. */
export const images: readonly ImageDefinition[] = [
  {
    name: "registry.k8s.io/pause:3.10",
    dockerfile: `${own}/pause/Dockerfile`,
    stages: { build: pauseStage },
    what: "a static C program (in Go where there is no C compiler)",
    differs: "nothing that a pod sees",
  },
  {
    name: "registry.k8s.io/coredns/coredns:v1.15.0",
    dockerfile: `${own}/coredns/Dockerfile`,
    context: "tools/go/coredns",
    stages: { build: toolStage("coredns") },
    what: "CoreDNS 1.15.0, built from its Go module",
    differs: "only the plugins of tools/go/coredns; no file capability, so port 53 needs containerd 2, root or NET_BIND_SERVICE",
  },
  {
    name: "docker.io/library/busybox:1.37-musl",
    dockerfile: `${own}/busybox/Dockerfile`,
    what: "busybox 1.35 of Debian (busybox-static)",
    differs: "older; glibc, whose static resolver makes wget fail on names of hosts",
  },
  {
    name: "docker.io/curlimages/curl:8.11.1",
    dockerfile: `${own}/curl/Dockerfile`,
    leaveOut: ["openssl"],
    what: "curl 7.88 of Debian with bash and coreutils",
    differs: "older; Debian in place of Alpine, so larger and with GNU tools",
  },
  {
    name: "docker.io/library/postgres:17.6",
    dockerfile: `${own}/postgres/Dockerfile`,
    leaveOut: [
      "libjson-perl",
      "libllvm14",
      "libperl5.36",
      "locales",
      "netbase",
      "openssl",
      "perl",
      "perl-modules-5.36",
      "postgresql-client-common",
      "postgresql-common",
      "sensible-utils",
      "ssl-cert",
    ],
    what: "PostgreSQL 15 of Debian",
    differs: "major version 15; no JIT compiler, no locales but C and C.UTF-8, does not start as root",
  },
  {
    name: "docker.io/library/mariadb:10.11.18",
    dockerfile: `${own}/mariadb/Dockerfile`,
    leaveOut: ["libconfig-inifiles-perl", "perl"],
    what: "MariaDB 10.11 of Debian",
    differs: "a later 10.11; does not start as root, no tools in Perl, no healthcheck.sh",
  },
  {
    name: "docker.io/valkey/valkey:8.0.2",
    dockerfile: `${own}/valkey/Dockerfile`,
    leaveOut: ["lsb-base"],
    what: "Redis 7.0 of Debian under the names valkey-server, valkey-cli and valkey-benchmark",
    differs: "Redis 7.0: INFO has no valkey_version, nothing that Valkey added; does not start as root",
  },
  {
    name: "docker.io/clickhouse/clickhouse-server:25.8.29.51",
    dockerfile: `${own}/clickhouse/Dockerfile`,
    what: "ClickHouse 18.16 of Debian",
    differs: "seven years older, so SQL of these years is missing; the entry point makes no users and runs no init files",
  },
  {
    name: clickhouseEngineImage,
    dockerfile: `${own}/clickhouse-engine/Dockerfile`,
    context: ".",
    stages: { build: chdbStage },
    what: "ClickHouse's engine 26.9 of the Python package chdb, behind HTTP, with Debian's Python",
    differs: "published nowhere: for tests, where Debian's ClickHouse is too old for the mesh's SQL",
  },
  {
    name: "ghcr.io/compute-mesh/agent:0.1.0",
    dockerfile: "agent/Dockerfile",
    context: ".",
    stages: { build: agentStage },
    what: "the agent of this checkout on the Node.js that runs the tools",
    differs: "Node.js of this machine; packages as installed in this checkout",
  },
  {
    name: "ghcr.io/compute-mesh/ingest:0.1.0",
    dockerfile: "ingest/Dockerfile",
    stages: { build: goStage("ingest", "mesh-ingest") },
    what: "mesh-ingest of this checkout",
    differs: "nothing",
  },
  ...["v1", "v2"].map((target) => ({
    name: `ghcr.io/compute-mesh/demo-prices:${target === "v1" ? "1.4.0" : "2.0.0"}`,
    dockerfile: "stacks/prices/Dockerfile",
    target,
    stages: { build: npmStage("demo-prices", "stacks/prices") },
    what: "the example service of this checkout on the Node.js that runs the tools",
    differs: "Node.js of this machine",
  })),
  {
    name: "ghcr.io/warpstreamlabs/bento:1.10.0",
    dockerfile: `${own}/bento/Dockerfile`,
    stages: { build: withCertificates(goStage(`${own}/bento`, "bento", "timetzdata")) },
    what: "Bento 1.10.0, built from its Go module",
    differs: "only the components io, kafka, prometheus, pure and sql with the driver for PostgreSQL; no /bento.yaml",
  },
];
