/** Custom resource definitions of the targets that routes and workloads are emitted for, from their pinned releases. */
import { copyFileSync, existsSync, readdirSync, readFileSync } from "node:fs";
import { basename, join } from "node:path";
import { parseAllDocuments } from "yaml";
import { cacheEntry } from "./cache";
import { download, downloadsOff } from "./download";
import { messageOf, sleep } from "./files";
import { goModuleFolder } from "./go-module";
import { type ApiAccess, apiClient, type ApiRequest } from "./kubeconfig";

/** Sets of CRDs by name. */
export const crdSets = ["gateway-api", "gloo", "kgateway", "istio", "mcs", "karmada", "openkruise", "volumesnapshot", "k8gb"] as const;
export type CrdSet = (typeof crdSets)[number];

interface CrdSource {
  version: string;
  /** A Go module that holds the files, and their folder in it. */
  module?: { path: string; folder: string };
  /** Folder of the files at the pinned tag, and their names (a tag can be read file by file, but not listed). */
  raw?: { base: string; files: string[] };
}

const github = "https://raw.githubusercontent.com";

/** Where each set comes from. The others have neither a Go module with the files nor a fixed list of them: they come from the folder beside the project only. */
export const crdSources: Partial<Record<CrdSet, CrdSource>> = {
  "gateway-api": {
    version: "v1.6.1",
    module: { path: "sigs.k8s.io/gateway-api", folder: "config/crd/standard" },
    raw: {
      base: `${github}/kubernetes-sigs/gateway-api/v1.6.1/config/crd/standard`,
      files: [
        "backendtlspolicies",
        "gatewayclasses",
        "gateways",
        "grpcroutes",
        "httproutes",
        "listenersets",
        "referencegrants",
        "tcproutes",
        "tlsroutes",
        "udproutes",
      ].map((kind) => `gateway.networking.k8s.io_${kind}.yaml`),
    },
  },
  gloo: {
    version: "v1.22.1",
    raw: {
      base: `${github}/solo-io/gloo/v1.22.1/install/helm/gloo/crds`,
      files: [
        "gateway.solo.io_v1_Gateway.yaml",
        "gateway.solo.io_v1_RouteTable.yaml",
        "gateway.solo.io_v1_VirtualService.yaml",
        "gloo.solo.io_v1_Settings.yaml",
        "gloo.solo.io_v1_Upstream.yaml",
        "gloo.solo.io_v1_UpstreamGroup.yaml",
      ],
    },
  },
  kgateway: {
    version: "v2.4.2",
    module: { path: "github.com/kgateway-dev/kgateway/v2", folder: "install/helm/kgateway-crds/templates" },
    raw: {
      base: `${github}/kgateway-dev/kgateway/v2.4.2/install/helm/kgateway-crds/templates`,
      files: [
        "backendconfigpolicies",
        "backends",
        "directresponses",
        "gatewayextensions",
        "gatewayparameters",
        "httplistenerpolicies",
        "listenerpolicies",
        "trafficpolicies",
      ].map((kind) => `gateway.kgateway.dev_${kind}.yaml`),
    },
  },
  volumesnapshot: { version: "v8.6.0", module: { path: "github.com/kubernetes-csi/external-snapshotter/client/v8", folder: "config/crd" } },
  istio: { version: "v1.30.3", module: { path: "istio.io/api", folder: "kubernetes" } },
  mcs: { version: "v0.5.0", module: { path: "sigs.k8s.io/mcs-api", folder: "config/crd" } },
};

const reasons = new Map<CrdSet, string>();

/** Why `crdFiles` had nothing for a set; undefined where it had, or was not asked. */
export function crdsUnavailable(set: CrdSet): string | undefined {
  return reasons.get(set);
}

const isCrdFile = (file: string): boolean => /\.ya?ml$/.test(file) && !file.startsWith("kustomization");

/**
 * Files of a set of CRDs: from `folder/<set>` where that is given and there, else from the cache, else from the pinned Go module or release.
 * Undefined where they cannot be had; `crdsUnavailable` says why then.
 */
export async function crdFiles(set: CrdSet, folder?: string): Promise<string[] | undefined> {
  const given = folder === undefined ? [] : filesIn(join(folder, set));
  if (given.length > 0) return given;
  try {
    const files = await pinnedCrdFiles(set);
    reasons.delete(set);
    return files;
  } catch (error) {
    reasons.set(set, messageOf(error));
    return undefined;
  }
}

/** Files of a set from its pinned source alone. Throws, with everything that was tried, where they cannot be had. */
export async function pinnedCrdFiles(set: CrdSet): Promise<string[]> {
  const source = crdSources[set];
  if (!source) throw new Error(`CRDs of ${set}: no pinned source`);
  const { dir } = await cacheEntry(`crds-${set}-${source.version}`, (folder) => fetchCrds(set, source, folder));
  return filesIn(dir);
}

function filesIn(folder: string): string[] {
  if (!existsSync(folder)) return [];
  return readdirSync(folder)
    .filter(isCrdFile)
    .sort()
    .map((file) => join(folder, file));
}

async function fetchCrds(set: CrdSet, source: CrdSource, folder: string): Promise<{ origin: "download" | "built"; files: string[] }> {
  const failures: string[] = [];
  if (source.module) {
    try {
      const from = filesIn(join(await goModuleFolder(`${source.module.path}@${source.version}`), source.module.folder));
      if (from.length === 0) throw new Error(`${source.module.path} has no CRDs in ${source.module.folder}`);
      for (const file of from) copyFileSync(file, join(folder, basename(file)));
      return { origin: "built", files: from.map((file) => basename(file)) };
    } catch (error) {
      failures.push(messageOf(error));
    }
  }
  const off = downloadsOff();
  if (source.raw && off === undefined) {
    try {
      for (const file of source.raw.files) await download(`${source.raw.base}/${file}`, join(folder, file));
      return { origin: "download", files: source.raw.files };
    } catch (error) {
      failures.push(messageOf(error));
    }
  } else if (off !== undefined) failures.push(`downloads: ${off}`);
  throw new Error(`CRDs of ${set} ${source.version}: ${failures.join("; ")}`);
}

/** Installs sets of CRDs by server-side apply and waits until they are served. Throws where a set cannot be had. */
export async function installCrds(
  access: ApiAccess,
  sets: readonly CrdSet[],
  options: { folder?: string; onProgress?: (text: string) => void } = {},
): Promise<void> {
  if (sets.length === 0) return;
  const client = apiClient(access);
  try {
    for (const set of sets) {
      const files = await crdFiles(set, options.folder);
      if (!files) throw new Error(crdsUnavailable(set));
      options.onProgress?.(`CRDs of ${set}`);
      await applyCrds(client.request, files);
    }
  } finally {
    client.close();
  }
}

interface Manifest {
  kind?: string;
  metadata?: { name?: string };
}

interface CrdStatus {
  status?: { conditions?: { type: string; status: string; message?: string }[] };
}

/** Applies every CRD in the files (other kinds in them are passed over) and waits until each is established. */
export async function applyCrds(request: ApiRequest, files: readonly string[]): Promise<string[]> {
  const manifests = files.flatMap((file) =>
    parseAllDocuments(readFileSync(file, "utf8")).map((document) => ({ file, manifest: document.toJS() as Manifest | null })),
  );
  const crds = manifests.filter(({ manifest }) => manifest?.kind === "CustomResourceDefinition");
  const path = (name: string): string => `/apis/apiextensions.k8s.io/v1/customresourcedefinitions/${name}`;
  const names = await Promise.all(
    crds.map(async ({ file, manifest }) => {
      const name = manifest!.metadata!.name!;
      const answer = await request("PATCH", `${path(name)}?fieldManager=compute-mesh&force=true`, manifest, "application/apply-patch+yaml");
      if (answer.status >= 300) throw new Error(`CRD ${name} (${basename(file)}) is refused: ${JSON.stringify(answer.body)}`);
      return name;
    }),
  );
  await Promise.all(names.map((name) => untilEstablished(request, name, path(name))));
  return names;
}

async function untilEstablished(request: ApiRequest, name: string, path: string): Promise<void> {
  for (const deadline = Date.now() + 30_000; ; await sleep(50)) {
    const conditions = ((await request("GET", path)).body as CrdStatus).status?.conditions ?? [];
    if (conditions.some(({ type, status }) => type === "Established" && status === "True")) return;
    const refused = conditions.find(({ type, status }) => type === "NamesAccepted" && status === "False");
    if (refused) throw new Error(`CRD ${name}: its names are not accepted: ${refused.message ?? ""}`);
    if (Date.now() > deadline) throw new Error(`CRD ${name} is not served after 30 s`);
  }
}
