/**
 * kgateway as plain processes: its controller, and one Envoy for one Gateway. The controller deploys nothing.
 *
 * Nothing has to be said in the Gateway for that: the class `kgateway` itself names parameters by which the data plane is somebody else's, so that what
 * GlooRoutes emits for any cluster is served here unchanged.
 */
import { join } from "node:path";
import { installCrds } from "../crds";
import { sleep, writeAtomic } from "../files";
import { type ApiAccess, apiClient, type ApiRequest, kubeconfigText } from "../kubeconfig";
import type { RecordedProcess } from "../processes";
import { refereeEnvironment } from "../referees";
import { checkOwnNamespace, type EnvoyProcess, type GatewayName, startEnvoy } from "./envoy";
import { companionConditions, gatewayProblems, type StatusObject } from "./gateway-status";
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

export type { GatewayName } from "./envoy";

const service = "kgateway";
const systemNamespace = "kgateway-system";
const parametersName = "compute-mesh-self-managed";

/** How the gateway is started. */
export interface GatewayOptions extends ServicePlace {
  /** The API server as this process reaches it. */
  access: ApiAccess;
  /** The API server as it is reached inside the namespace; then the controller runs there too. Default: the controller runs outside, with `access`. */
  insideAccess?: ApiAccess;
  /** The Gateway that Envoy serves; it may be made later. GlooRoutes `edge` makes one named `edge-gateway`. */
  gateway: GatewayName;
  /** Every configuration is tried with Envoy before it is given out: an invalid rule is then left out instead of stopping all later changes. Default: true. */
  strict?: boolean;
  /** Folder with one folder of CRD files per set, in the place of the pinned ones. Default: none. */
  crdFolder?: string;
  /** The programs. Default: the cached ones, or those of `KGATEWAY` and `ENVOY`. */
  programs?: GatewayPrograms;
}

/** Paths of the two programs. */
export interface GatewayPrograms {
  kgateway: string;
  envoy: string;
}

/** A running gateway. */
export interface GatewayService extends Service {
  /** Envoy's counters and gauges that match. */
  stats(this: void, filter: string): Promise<Map<string, number>>;
  /**
   * Why the Gateway, or a route of it, is not served as it is written; empty where all is. Looks at the status of the objects and at what Envoy took.
   * What was changed a moment ago, and is not yet seen, counts as a problem.
   */
  problems(): Promise<string[]>;
  /** Waits until there are no problems and `routes` HTTPRoutes are served (default: 1). Throws with the problems after so many seconds (default: 60). */
  ready(options?: { routes?: number; seconds?: number }): Promise<void>;
}

/** The two programs, where both are cached or named by variables; else undefined. */
export function findGatewayPrograms(env: NodeJS.ProcessEnv = refereeEnvironment()): GatewayPrograms | undefined {
  const { KGATEWAY: kgateway, ENVOY: envoy } = env;
  return kgateway !== undefined && envoy !== undefined ? { kgateway, envoy } : undefined;
}

/** Starts controller and Envoy and waits until Envoy is told what to serve. CRDs that are missing are installed. Throws with a log where it does not start. */
export async function startGateway(options: GatewayOptions): Promise<GatewayService> {
  checkOwnNamespace("gateway", options);
  const programs = options.programs ?? findGatewayPrograms();
  if (!programs)
    throw new Error("gateway: kgateway or Envoy is missing: run `npm run test:all` once, or set KGATEWAY and ENVOY to their paths");
  const progress = progressOf(options);
  const client = apiClient(options.access);
  let controller: RecordedProcess | undefined;
  let envoy: EnvoyProcess | undefined;
  const xds = socketPath(serviceFolder(options, service), "xds.sock");
  const stop = async (): Promise<void> => {
    client.close();
    await Promise.all([envoy?.stop(), controller && stopServiceProcess(options, service, 1000)]);
    removeSocket(xds);
  };
  try {
    progress.detail("gateway: definitions");
    await installCrds(options.access, ["gateway-api", "kgateway"], { folder: options.crdFolder });
    await prepare(client.request);
    progress.detail("gateway: controller");
    controller = await startController(options, programs, xds);
    envoy = await startEnvoy(options, programs.envoy, options.gateway, xds);
    const processes = [controller, envoy.recorded];
    const { stats } = envoy;
    await untilServing("gateway", options, processes, async () => {
      const connected = await stats("^control_plane.connected_state$");
      return connected.get("control_plane.connected_state") === 1 && (await classIsAccepted(client.request));
    });
    const problems = (routes: number): Promise<string[]> => problemsOf(client.request, options.gateway, stats, routes);
    return {
      name: service,
      processes,
      stats,
      problems: () => problems(0),
      ready: async ({ routes = 1, seconds = 60 } = {}) => {
        let last: string[] = [];
        const served = async (): Promise<boolean> => (last = await problems(routes)).length === 0;
        await untilServing("gateway", options, processes, served, seconds).catch((error: Error) => {
          throw new Error([error.message, ...last].join("\n  "), { cause: error });
        });
      },
      stop,
    };
  } catch (error) {
    await stop();
    throw error;
  }
}

/** The namespace that the controller keeps a Secret in, and the parameters that say that it deploys nothing. */
async function prepare(request: ApiRequest): Promise<void> {
  const objects = [
    ["/api/v1/namespaces", { apiVersion: "v1", kind: "Namespace", metadata: { name: systemNamespace } }],
    [
      `/apis/gateway.kgateway.dev/v1alpha1/namespaces/${systemNamespace}/gatewayparameters`,
      {
        apiVersion: "gateway.kgateway.dev/v1alpha1",
        kind: "GatewayParameters",
        metadata: { name: parametersName, namespace: systemNamespace },
        spec: { selfManaged: {} },
      },
    ],
  ] as const;
  for (const [path, object] of objects) {
    const target = `${path}/${object.metadata.name}?fieldManager=compute-mesh&force=true`;
    const { status, body } = await request("PATCH", target, object, "application/apply-patch+yaml");
    if (status >= 300) throw new Error(`gateway: ${object.kind} ${object.metadata.name} is refused: ${JSON.stringify(body)}`);
  }
}

async function startController(options: GatewayOptions, programs: GatewayPrograms, xds: string): Promise<RecordedProcess> {
  const kubeconfig = join(serviceFolder(options, service), "kubeconfig");
  writeAtomic(kubeconfig, kubeconfigText(service, options.insideAccess ?? options.access));
  return startServiceProcess(
    { ...options, prefix: options.insideAccess ? options.prefix : [] },
    {
      name: service,
      binary: programs.kgateway,
      args: [`--kubeconfig=${kubeconfig}`, `--xds=${xds}`, `--envoy=${programs.envoy}`],
      env: {
        KUBECONFIG: kubeconfig,
        POD_NAMESPACE: systemNamespace,
        // Who may enter the folder of the socket may ask.
        KGW_XDS_AUTH: "false",
        KGW_XDS_SERVICE_HOST: "127.0.0.1",
        KGW_DISABLE_LEADER_ELECTION: "true",
        KGW_LISTENER_BIND_IPV6: "false",
        KGW_DEFAULT_IMAGE_TAG: "none",
        // Envoy is no pod here.
        DISABLE_POD_LOCALITY_XDS: "true",
        KGW_VALIDATION_MODE: (options.strict ?? true) ? "STRICT" : "STANDARD",
        KGW_GATEWAY_CLASS_PARAMETERS_REFS: JSON.stringify({ kgateway: { name: parametersName, namespace: systemNamespace } }),
      },
    },
  );
}

async function classIsAccepted(request: ApiRequest): Promise<boolean> {
  const { status, body } = await request("GET", "/apis/gateway.networking.k8s.io/v1/gatewayclasses/kgateway");
  const object = body as StatusObject & { spec?: { parametersRef?: { name?: string } } };
  const accepted = object.status?.conditions?.some(({ type, status: value }) => type === "Accepted" && value === "True");
  return status === 200 && accepted === true && object.spec?.parametersRef?.name === parametersName;
}

async function problemsOf(
  request: ApiRequest,
  gateway: GatewayName,
  stats: (filter: string) => Promise<Map<string, number>>,
  routes: number,
): Promise<string[]> {
  const base = "/apis/gateway.networking.k8s.io/v1";
  const found = await request("GET", `${base}/namespaces/${gateway.namespace}/gateways/${gateway.name}`);
  const listed = await request("GET", `${base}/httproutes`);
  const companions = Object.entries(companionConditions).map(async ([kind, { group, plural }]) => {
    const { body } = await request("GET", `/apis/${group}/namespaces/${gateway.namespace}/${plural}`);
    // The items of a list do not say their kind.
    return itemsOf(body).map((item) => ({ ...item, kind }));
  });
  const counters = (): Promise<Map<string, number>> => stats("(update_rejected|total_listeners_active)$");
  const before = await counters();
  const rejected = [...before].some(([name, value]) => name.endsWith("update_rejected") && value > 0);
  if (rejected) await sleep(1000);
  return gatewayProblems({
    gateway,
    object: found.status === 200 ? (found.body as StatusObject) : undefined,
    routes: itemsOf(listed.body),
    companions: (await Promise.all(companions)).flat(),
    atLeast: routes,
    before,
    stats: rejected ? await counters() : before,
  });
}

const itemsOf = (list: unknown): StatusObject[] => (list as { items?: StatusObject[] }).items ?? [];
