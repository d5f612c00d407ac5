import { existsSync, lstatSync, mkdtempSync, readdirSync, readFileSync, readlinkSync, rmSync } from "node:fs";
import { get } from "node:https";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type ClusterInfo, clusterStatus, deleteCluster, startCluster, stopCluster } from "../../tools/cluster";
import { apiClient, type ApiRequest } from "../../tools/kubeconfig";
import { type ProcessIdentity, isAlive, recordedProcesses } from "../../tools/processes";
import { eventually, simulatedNode } from "../support/cluster";

jest.setTimeout(180_000);

const root = mkdtempSync(join(tmpdir(), "compute-mesh-"));
const clients: { close(): void }[] = [];

function start(name: string): Promise<ClusterInfo> {
  return startCluster({ name, root, ephemeral: true, quiet: true });
}

function requester(info: ClusterInfo): ApiRequest {
  const client = apiClient(info.access);
  clients.push(client);
  return client.request;
}

function identities(dir: string): ProcessIdentity[] {
  return recordedProcesses(join(dir, "pids")).map(({ pid, startTime }) => ({ pid, startTime }));
}

function identityOf(info: ClusterInfo, part: string): ProcessIdentity {
  return recordedProcesses(join(info.dir, "pids")).find(({ name }) => name === part)!;
}

function listens(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, "127.0.0.1");
    socket.once("connect", () => {
      socket.destroy();
      resolve(true);
    });
    socket.once("error", () => resolve(false));
  });
}

/** Local addresses on which these processes listen, read from the kernel's own tables. */
function listeningAddresses(pids: readonly number[]): string[] {
  const sockets = new Set<string>();
  for (const pid of pids) {
    for (const descriptor of readdirSync(`/proc/${pid}/fd`)) {
      try {
        const inode = /^socket:\[(\d+)\]$/.exec(readlinkSync(`/proc/${pid}/fd/${descriptor}`))?.[1];
        if (inode) sockets.add(inode);
      } catch {
        // Closed meanwhile.
      }
    }
  }
  const tables = ["tcp", "tcp6"].flatMap((table) => readFileSync(`/proc/net/${table}`, "utf8").split("\n").slice(1));
  return tables
    .map((line) => line.trim().split(/\s+/))
    .filter((fields) => fields[3] === "0A" && sockets.has(fields[9]))
    .map((fields) => fields[1]);
}

afterAll(async () => {
  for (const client of clients) client.close();
  for (const name of ["a", "b"]) await deleteCluster(name, { root });
  rmSync(root, { recursive: true, force: true });
});

describe("the embedded cluster", () => {
  let a: ClusterInfo;
  let request: ApiRequest;

  beforeAll(async () => {
    // Two starts of one name at once: one starts it, the other waits and finds it running.
    const both = await Promise.all([start("a"), start("a")]);
    expect(both.map(({ alreadyRunning }) => alreadyRunning).sort()).toEqual([false, true]);
    a = both[0];
    request = requester(a);
  });

  it("does nothing when it is started twice", async () => {
    const before = identities(a.dir);
    const again = await start("a");
    expect(again.alreadyRunning).toBe(true);
    expect(again.server).toBe(a.server);
    expect(identities(a.dir)).toEqual(before);
  });

  it("brings a simulated node and a DaemonSet on it to ready, with endpoints", async () => {
    expect((await request("POST", "/api/v1/nodes", simulatedNode("node-1"))).status).toBe(201);
    await eventually("node Ready", async () => {
      const node = (await request("GET", "/api/v1/nodes/node-1")).body as { status: { conditions?: { type: string; status: string }[] } };
      return node.status.conditions?.some(({ type, status }) => type === "Ready" && status === "True");
    });
    const labels = { app: "probe" };
    const template = {
      metadata: { labels },
      spec: { containers: [{ name: "main", image: "example.org/probe:1", ports: [{ containerPort: 80 }] }] },
    };
    const set = {
      apiVersion: "apps/v1",
      kind: "DaemonSet",
      metadata: { name: "probe" },
      spec: { selector: { matchLabels: labels }, template },
    };
    expect((await request("POST", "/apis/apps/v1/namespaces/default/daemonsets?fieldValidation=Strict", set)).status).toBe(201);
    const service = { apiVersion: "v1", kind: "Service", metadata: { name: "probe" }, spec: { selector: labels, ports: [{ port: 80 }] } };
    expect((await request("POST", "/api/v1/namespaces/default/services?fieldValidation=Strict", service)).status).toBe(201);
    await eventually("DaemonSet ready", async () => {
      const now = (await request("GET", "/apis/apps/v1/namespaces/default/daemonsets/probe")).body as { status: { numberReady?: number } };
      return now.status.numberReady === 1;
    });
    await eventually("ready endpoint", async () => {
      const path = "/apis/discovery.k8s.io/v1/namespaces/default/endpointslices?labelSelector=kubernetes.io/service-name=probe";
      const slices = (await request("GET", path)).body as { items: { endpoints?: { conditions: { ready: boolean } }[] | null }[] };
      return slices.items.some(({ endpoints }) => endpoints?.some(({ conditions }) => conditions.ready));
    });
  });

  it("completes Jobs, binds claims of the default storage class, and finishes deletions", async () => {
    const pod = { restartPolicy: "Never", containers: [{ name: "main", image: "example.org/job:1" }] };
    const job = { apiVersion: "batch/v1", kind: "Job", metadata: { name: "once" }, spec: { template: { spec: pod } } };
    expect((await request("POST", "/apis/batch/v1/namespaces/default/jobs", job)).status).toBe(201);
    const claimSpec = { accessModes: ["ReadWriteOnce"], resources: { requests: { storage: "1Gi" } } };
    const claim = { apiVersion: "v1", kind: "PersistentVolumeClaim", metadata: { name: "disk" }, spec: claimSpec };
    expect((await request("POST", "/api/v1/namespaces/default/persistentvolumeclaims", claim)).status).toBe(201);
    await eventually("Job complete", async () => {
      const now = (await request("GET", "/apis/batch/v1/namespaces/default/jobs/once")).body as { status: { succeeded?: number } };
      return now.status.succeeded === 1;
    });
    await eventually("claim bound", async () => {
      const now = (await request("GET", "/api/v1/namespaces/default/persistentvolumeclaims/disk")).body as { status: { phase?: string } };
      return now.status.phase === "Bound";
    });
    await request("DELETE", "/apis/batch/v1/namespaces/default/jobs/once", { propagationPolicy: "Foreground" });
    await eventually("Job gone", async () => (await request("GET", "/apis/batch/v1/namespaces/default/jobs/once")).status === 404);
  });

  it("refuses requests without credentials, and etcd refuses clients without a certificate", async () => {
    const status = await new Promise<number>((resolve, reject) => {
      get(`${a.server}/api/v1/namespaces`, { ca: a.access.caCertificate }, (response) => {
        response.resume();
        resolve(response.statusCode ?? 0);
      }).once("error", reject);
    });
    expect(status).toBe(401);
    const port = a.parts.find(({ part }) => part === "etcd")!.ports[0];
    const ca = readFileSync(join(a.dir, "pki", "etcd-ca.crt"));
    const answer = await new Promise<string>((resolve) => {
      get(`https://127.0.0.1:${port}/version`, { ca }, (response) => resolve(`HTTP ${response.statusCode}`)).once("error", (error) =>
        resolve(`refused: ${error.message}`),
      );
    });
    expect(answer).toMatch(/^refused:/);
  });

  it("enforces the restricted pod security standard in a namespace that asks for it", async () => {
    const labels = { "pod-security.kubernetes.io/enforce": "restricted" };
    await request("POST", "/api/v1/namespaces", { apiVersion: "v1", kind: "Namespace", metadata: { name: "strict", labels } });
    await eventually(
      "service account",
      async () => (await request("GET", "/api/v1/namespaces/strict/serviceaccounts/default")).status === 200,
    );
    const pod = {
      apiVersion: "v1",
      kind: "Pod",
      metadata: { name: "p" },
      spec: { containers: [{ name: "main", image: "x", securityContext: { privileged: true } }] },
    };
    expect((await request("POST", "/api/v1/namespaces/strict/pods", pod)).status).toBe(403);
  });

  it("leaves no file that others can read", () => {
    const wide: string[] = [];
    const visit = (path: string): void => {
      const stat = lstatSync(path);
      if ((stat.mode & 0o077) !== 0) wide.push(path);
      if (stat.isDirectory()) for (const name of readdirSync(path)) visit(join(path, name));
    };
    visit(a.dir);
    expect(wide).toEqual([]);
    expect(lstatSync(a.kubeconfigPath).mode & 0o777).toBe(0o600);
  });

  const onLinux = process.platform === "linux" ? it : it.skip;

  onLinux("listens on loopback only, and only where its status says", () => {
    const addresses = listeningAddresses(identities(a.dir).map(({ pid }) => pid));
    // 0100007F is 127.0.0.1 in the byte order of the kernel's table.
    expect(addresses.map((address) => address.split(":")[0])).toEqual(["0100007F", "0100007F", "0100007F"]);
    const ports = addresses.map((address) => parseInt(address.split(":")[1], 16));
    expect(ports.sort()).toEqual(a.parts.flatMap((part) => part.ports).sort());
  });

  it("runs beside another one with other credentials", async () => {
    const b = await start("b");
    expect(b.server).not.toBe(a.server);
    const foreign = apiClient({ ...b.access, token: a.access.token });
    clients.push(foreign);
    expect((await foreign.request("GET", "/api/v1/namespaces")).status).toBe(401);
    expect((await requester(b)("GET", "/api/v1/nodes/node-1")).status).toBe(404);
    await deleteCluster("b", { root });
    expect(existsSync(b.dir)).toBe(false);
    expect((await request("GET", "/readyz")).status).toBe(200);
  });

  it.each(["kube-apiserver", "etcd", "kwok"])("starts again with its data after kill -9 of %s", async (part) => {
    await request("POST", "/api/v1/namespaces/default/configmaps", {
      apiVersion: "v1",
      kind: "ConfigMap",
      metadata: { name: `kept-${part}` },
    });
    process.kill(identityOf(a, part).pid, "SIGKILL");
    await eventually("seen as crashed", () => clusterStatus("a", { root }).state === "partial");
    const again = await start("a");
    expect(again.alreadyRunning).toBe(false);
    expect(again.server).toBe(a.server);
    request = requester(again);
    expect((await request("GET", `/api/v1/namespaces/default/configmaps/kept-${part}`)).status).toBe(200);
  });

  it("cleans up a part whose start was never recorded", async () => {
    const stray = identityOf(a, "kube-scheduler");
    rmSync(join(a.dir, "pids", "kube-scheduler.json"));
    const again = await start("a");
    expect(again.alreadyRunning).toBe(false);
    expect(isAlive(stray)).toBe(false);
  });

  it("takes another port where its own was taken while it was stopped, and says so in the kubeconfig", async () => {
    await stopCluster("a", { root });
    const port = Number(new URL(a.server).port);
    const { createServer } = await import("node:net");
    const squatter = createServer().listen(port, "127.0.0.1");
    await new Promise((resolve) => squatter.once("listening", resolve));
    try {
      const moved = await start("a");
      expect(moved.server).not.toBe(a.server);
      expect(moved.kubeconfig).toContain(moved.server);
      expect((await requester(moved)("GET", "/api/v1/namespaces/default/configmaps/kept-etcd")).status).toBe(200);
      a = moved;
    } finally {
      await new Promise((resolve) => squatter.close(resolve));
    }
  });

  it("leaves no process and no listener after a stop, and keeps its data", async () => {
    const before = identities(a.dir);
    const ports = a.parts.flatMap((part) => part.ports);
    await stopCluster("a", { root });
    expect(before).toHaveLength(5);
    expect(before.filter(isAlive)).toEqual([]);
    expect(await Promise.all(ports.map(listens))).toEqual(ports.map(() => false));
    expect(clusterStatus("a", { root }).state).toBe("stopped");
    expect(existsSync(join(a.dir, "etcd", "member"))).toBe(true);
  });

  it("refuses a name that is no folder name", async () => {
    await expect(startCluster({ name: "../evil", root })).rejects.toThrow(/name: "\.\.\/evil" is not allowed/);
  });
});
