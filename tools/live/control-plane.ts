/** The control plane of a live cluster: that of the simulated one, in a network namespace in which nodes reach it. */
import { randomBytes } from "node:crypto";
import { join } from "node:path";
import { partArguments, type PartContext, type PartName } from "../cluster-parts";
import { waitUntil } from "../cluster-run";
import { writeAtomic } from "../files";
import { type ApiAccess, type ApiRequest, kubeconfigText } from "../kubeconfig";
import { ensurePki, type Pki } from "../pki";
import { startProcess } from "../processes";
import { apiPort, controlPlaneAddress, inNamespace, livePaths, type LiveState } from "./state";

/** Processes of the control plane, in the order of their start. */
export const controlPlaneParts = ["etcd", "kube-apiserver", "kube-controller-manager", "kube-scheduler"] as const satisfies PartName[];

const kubeletClient = "kubelet-client";
/** The user that the API server is for kubelets. */
const kubeletClientUser = "kube-apiserver-kubelet-client";

/** User of the API server: name and groups. RBAC's built-in roles say what each may do. */
function users(state: Pick<LiveState, "nodes">): Record<string, { user: string; groups: string[] }> {
  return {
    admin: { user: "compute-mesh-admin", groups: ["system:masters"] },
    "kube-controller-manager": { user: "system:kube-controller-manager", groups: [] },
    "kube-scheduler": { user: "system:kube-scheduler", groups: [] },
    "kube-proxy": { user: "system:kube-proxy", groups: [] },
    ...Object.fromEntries(state.nodes.map(({ name }) => [`node-${name}`, { user: `system:node:${name}`, groups: ["system:nodes"] }])),
  };
}

/** A random token for each user. */
export function newTokens(state: Pick<LiveState, "nodes">): Record<string, string> {
  return Object.fromEntries(Object.keys(users(state)).map((key) => [key, randomBytes(32).toString("base64url")]));
}

/** Replaces flags by name, or adds them. */
export function withFlags(args: readonly string[], flags: Record<string, string>): string[] {
  const kept = args.filter((arg) => !Object.hasOwn(flags, arg.split("=")[0]));
  return [...kept, ...Object.entries(flags).map(([flag, value]) => `${flag}=${value}`)];
}

/** The arguments of each part. Other than in the simulated cluster, the API server is reached from nodes and itself reaches kubelets. */
export function controlPlaneArguments(
  context: PartContext,
  nodeGraceSeconds: number,
): Record<(typeof controlPlaneParts)[number], string[]> {
  const { paths } = context;
  return {
    etcd: partArguments.etcd(context),
    "kube-apiserver": withFlags(partArguments["kube-apiserver"](context), {
      "--bind-address": controlPlaneAddress,
      "--advertise-address": controlPlaneAddress,
      // Pods reach it by the Service `kubernetes`.
      "--endpoint-reconciler-type": "lease",
      "--authorization-mode": "Node,RBAC",
      "--enable-admission-plugins": "PodSecurity,NodeRestriction",
      "--kubelet-preferred-address-types": "InternalIP",
      "--kubelet-client-certificate": join(paths.pki, `${kubeletClient}.crt`),
      "--kubelet-client-key": join(paths.pki, `${kubeletClient}.key`),
    }),
    "kube-controller-manager": withFlags(partArguments["kube-controller-manager"](context), {
      "--node-monitor-period": "1s",
      "--node-monitor-grace-period": `${nodeGraceSeconds}s`,
    }),
    "kube-scheduler": partArguments["kube-scheduler"](context),
  };
}

/** Keys and certificates. Valid for the door (127.0.0.1) and for the address inside. */
export function livePki(dir: string): Promise<Pki> {
  return ensurePki(livePaths(dir).pki, { addresses: [controlPlaneAddress], clients: { [kubeletClient]: `/CN=${kubeletClientUser}` } });
}

/** Writes tokens and kubeconfigs. `caCertificate`: PEM. Returns the access of the administrator by the door at `doorPort`. */
export function writeAccess(dir: string, state: LiveState, caCertificate: string, doorPort: number): ApiAccess {
  const paths = livePaths(dir);
  const lines = Object.entries(users(state)).map(([key, { user, groups }]) =>
    [state.tokens[key], user, key, `"${groups.join(",")}"`].join(","),
  );
  writeAtomic(paths.tokens, `${lines.join("\n")}\n`);
  const inside = `https://${controlPlaneAddress}:${apiPort}`;
  for (const part of ["kube-controller-manager", "kube-scheduler"] as const) {
    writeAtomic(paths.partKubeconfig(part), kubeconfigText(state.name, { server: inside, caCertificate, token: state.tokens[part] }));
  }
  const access: ApiAccess = { server: `https://127.0.0.1:${doorPort}`, caCertificate, token: state.tokens["admin"] };
  writeAtomic(paths.kubeconfig, kubeconfigText(state.name, access));
  return access;
}

/** Starts the parts and waits until the API server is ready and knows who may do what. */
export async function startControlPlane(dir: string, state: LiveState, pki: Pki, request: ApiRequest): Promise<void> {
  const paths = livePaths(dir);
  // Nobody else listens in the namespace: the usual ports are free.
  const context: PartContext = { paths, pki, ports: { api: apiPort, etcd: 2379, etcdPeer: 2380 }, stages: [] };
  const args = controlPlaneArguments(context, state.nodeGraceSeconds);
  const [program, ...prefix] = inNamespace(state);
  const env = Object.fromEntries(Object.entries(process.env).filter(([key]) => !key.startsWith("ETCD_") && key !== "KUBECONFIG"));
  const start = (name: (typeof controlPlaneParts)[number]): Promise<unknown> =>
    startProcess({
      name,
      binary: program,
      args: [...prefix, state.binaries[name], ...args[name]],
      pidFolder: paths.pids,
      logFolder: paths.logs,
      cwd: dir,
      env,
    });
  await start("etcd");
  await start("kube-apiserver");
  await waitUntil("the API server", paths, ["etcd", "kube-apiserver"], async () => (await request("GET", "/readyz")).status === 200);
  await Promise.all([start("kube-controller-manager"), start("kube-scheduler"), allowKubeletClient(request)]);
}

/** `kubectl logs` and `exec`: the API server may use kubelets. */
async function allowKubeletClient(request: ApiRequest): Promise<void> {
  const { status, body } = await request("POST", "/apis/rbac.authorization.k8s.io/v1/clusterrolebindings", {
    metadata: { name: kubeletClientUser },
    roleRef: { apiGroup: "rbac.authorization.k8s.io", kind: "ClusterRole", name: "system:kubelet-api-admin" },
    subjects: [{ apiGroup: "rbac.authorization.k8s.io", kind: "User", name: kubeletClientUser }],
  });
  if (status >= 300 && status !== 409) throw new Error(`the rights of the API server at kubelets are refused: ${JSON.stringify(body)}`);
}
