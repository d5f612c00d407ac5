/**
 * Istio as plain processes: its control plane, and one Envoy as its ingress gateway. No pods, no sidecars, no certificates of its own, no webhooks.
 *
 * Envoy is not the one of Istio, which has filters of its own, but the stock one, so what the control plane would configure of those filters is off.
 */
import { join } from "node:path";
import { installCrds } from "../crds";
import { writeAtomic } from "../files";
import { type ApiAccess, kubeconfigText } from "../kubeconfig";
import type { RecordedProcess } from "../processes";
import { refereeEnvironment } from "../referees";
import {
  askXdsCluster,
  checkOwnNamespace,
  envoyName,
  type EnvoyProcess,
  type GatewayName,
  startEnvoyProcess,
  systemAuthorities,
  xdsCluster,
} from "./envoy";
import { gatewayToken, type IstioAgent, secretsCluster, startIstioAgent } from "./istio-agent";
import {
  progressOf,
  type Service,
  serviceFolder,
  type ServicePlace,
  startServiceProcess,
  stopServiceProcess,
  untilServing,
} from "./services";
import { removeSocket, socketPath } from "./services-socket";

const service = "istiod";
const systemNamespace = "istio-system";

/** What the chart labels the pods of the ingress gateway with; the `selector` of a Gateway asks for it. */
export const ingressLabels = { istio: "ingressgateway" } as const;

/** How Istio is started. */
export interface IstioOptions extends ServicePlace {
  /** The API server as this process reaches it. */
  access: ApiAccess;
  /** The ingress gateway: name and namespace of the workload that Envoy stands for. */
  gateway: GatewayName;
  /** Its labels. Default: those of the chart. */
  labels?: Readonly<Record<string, string>>;
  /** Its region and zone, which failover starts from. Default: none. */
  locality?: { region: string; zone?: string };
  /** File of the certificate authorities that Envoy trusts. Default: those of the system. */
  authorities?: string;
  /** Folder with one folder of CRD files per set, in the place of the pinned ones. Default: none. */
  crdFolder?: string;
  /** The programs. Default: the cached ones, or those of `ISTIOD` and `ENVOY`. */
  programs?: IstioPrograms;
}

/** Paths of the two programs. */
export interface IstioPrograms {
  istiod: string;
  envoy: string;
}

/** A running Istio. */
export interface IstioService extends Service {
  /** Envoy's counters and gauges that match. */
  stats(this: void, filter: string): Promise<Map<string, number>>;
  /** What Envoy has rejected since its start, and that it has no listener; empty where it took everything. */
  problems(): Promise<string[]>;
}

/** The two programs, where both are cached or named by variables; else undefined. */
export function findIstioPrograms(env: NodeJS.ProcessEnv = refereeEnvironment()): IstioPrograms | undefined {
  const { ISTIOD: istiod, ENVOY: envoy } = env;
  return istiod !== undefined && envoy !== undefined ? { istiod, envoy } : undefined;
}

/**
 * Starts control plane and Envoy and waits until Envoy is connected. CRDs that are missing are installed. Throws with a log where it does not start.
 *
 * Envoy listens at the ports of the Gateways that select it, on every address of its network namespace, which must be one of its own.
 */
export async function startIstio(options: IstioOptions): Promise<IstioService> {
  checkOwnNamespace("istio", options);
  const programs = options.programs ?? findIstioPrograms();
  if (!programs) throw new Error("istio: istiod or Envoy is missing: run `npm run test:all` once, or set ISTIOD and ENVOY to their paths");
  const progress = progressOf(options);
  const xds = socketPath(serviceFolder(options, service), "xds.sock");
  const secrets = socketPath(serviceFolder(options, service), "sds.sock");
  let envoy: EnvoyProcess | undefined;
  let agent: IstioAgent | undefined;
  const stop = async (): Promise<void> => {
    await Promise.all([envoy?.stop(), stopServiceProcess(options, service, 1000)]);
    agent?.stop();
    [xds, secrets].forEach(removeSocket);
  };
  try {
    progress.detail("istio: definitions");
    await installCrds(options.access, ["istio"], { folder: options.crdFolder });
    progress.detail("istio: control plane");
    const controlPlane = await startControlPlane(options, programs, xds);
    removeSocket(secrets);
    agent = await startIstioAgent(secrets, options.authorities ?? systemAuthorities);
    const token = await gatewayToken(options.access, options.gateway);
    const bootstrap = (admin: string): object => istioBootstrap(options, { xds, secrets, admin }, token);
    envoy = await startEnvoyProcess(options, programs.envoy, envoyName(options.gateway), bootstrap);
    const processes = [controlPlane, envoy.recorded];
    const { stats } = envoy;
    await untilServing("istio", options, processes, async () => {
      const counters = await stats("^(control_plane.connected_state|cluster_manager.cds.update_success)$");
      return counters.get("control_plane.connected_state") === 1 && (counters.get("cluster_manager.cds.update_success") ?? 0) > 0;
    });
    return {
      name: service,
      processes,
      stats,
      problems: async () => rejections(await stats("(update_rejected|total_listeners_active)$")),
      stop,
    };
  } catch (error) {
    await stop();
    throw error;
  }
}

/** What Envoy has rejected, from its counters. */
function rejections(stats: ReadonlyMap<string, number>): string[] {
  const rejected = [...stats].filter(([name, value]) => name.endsWith("update_rejected") && value > 0);
  return [
    ...rejected.map(([name, value]) => `Envoy has rejected ${value} updates (${name}): its log says why`),
    ...((stats.get("listener_manager.total_listeners_active") ?? 0) > 0 ? [] : ["Envoy has no listener yet"]),
  ];
}

const meshConfiguration = `rootNamespace: ${systemNamespace}
enableTracing: false
enableAutoMtls: false
enablePrometheusMerge: false
`;

/**
 * No webhooks and no certificates; no filters that the stock Envoy lacks (it rejects the whole listener or cluster where it does not know one); changes go
 * out at once; and the settings by which 1.31 behaves as 1.30 does, from Istio's own profile `compatibility-version-1.30`.
 */
const environment = {
  POD_NAMESPACE: systemNamespace,
  POD_NAME: "istiod-0",
  CLUSTER_ID: "Kubernetes",
  ENABLE_CA_SERVER: "false",
  PILOT_CERT_PROVIDER: "none",
  INJECT_ENABLED: "false",
  VALIDATION_WEBHOOK_CONFIG_NAME: "",
  INJECTION_WEBHOOK_CONFIG_NAME: "",
  ENABLE_LEADER_ELECTION: "false",
  PILOT_ENABLE_METADATA_EXCHANGE: "false",
  PILOT_ENABLE_ALPN_FILTER: "false",
  PILOT_ENABLE_GATEWAY_API: "false",
  PILOT_DEBOUNCE_AFTER: "10ms",
  PILOT_DEBOUNCE_MAX: "100ms",
  PILOT_ENABLE_STRICT_GATEWAY_MERGING: "false",
  PILOT_SPAWN_UPSTREAM_SPAN_FOR_GATEWAY: "false",
  PILOT_AUTO_SEND_UNHEALTHY_ENDPOINTS: "false",
  // Who may enter the folder of the socket may ask without TLS; who Envoy is, its token says.
  XDS_AUTH_PLAINTEXT: "true",
};

function startControlPlane(options: IstioOptions, programs: IstioPrograms, xds: string): Promise<RecordedProcess> {
  const folder = serviceFolder(options, service);
  const kubeconfig = join(folder, "kubeconfig");
  const mesh = join(folder, "mesh.yaml");
  writeAtomic(kubeconfig, kubeconfigText(service, options.access));
  writeAtomic(mesh, meshConfiguration);
  return startServiceProcess(
    { ...options, prefix: [] },
    {
      name: service,
      binary: programs.istiod,
      args: [`--kubeconfig=${kubeconfig}`, `--mesh=${mesh}`, `--xds=${xds}`],
      env: environment,
    },
  );
}

/**
 * What Envoy knows at its start.
 *
 * Its address must be no endpoint's: the control plane would take it for that one, with that one's labels, and no Gateway would select it.
 */
export function istioBootstrap(
  { gateway: { namespace, name }, labels, locality }: IstioOptions,
  sockets: { xds: string; secrets: string; admin: string },
  token: string,
): object {
  const ads = { ads: {}, resource_api_version: "V3", initial_fetch_timeout: "0s" };
  // Certificates of Secrets are given to those only whom the control plane knows.
  const known = { ...askXdsCluster.grpc_services[0], initial_metadata: [{ key: "authorization", value: `Bearer ${token}` }] };
  return {
    admin: { address: { pipe: { path: sockets.admin, mode: 0o600 } } },
    node: {
      id: `router~127.99.0.1~${name}.${namespace}~${namespace}.svc.cluster.local`,
      cluster: `${name}.${namespace}`,
      metadata: { LABELS: labels ?? ingressLabels, NAMESPACE: namespace, CLUSTER_ID: environment.CLUSTER_ID, ISTIO_VERSION: "1.30.3" },
      ...(locality === undefined ? {} : { locality }),
    },
    static_resources: { clusters: [xdsCluster(sockets.xds), xdsCluster(sockets.secrets, secretsCluster)] },
    dynamic_resources: { ads_config: { ...askXdsCluster, grpc_services: [known] }, cds_config: ads, lds_config: ads },
  };
}
