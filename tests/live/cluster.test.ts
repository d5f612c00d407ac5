import { execFileSync, spawn } from "node:child_process";
import { existsSync, mkdtempSync, readdirSync, readFileSync, readlinkSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { apiClient, type ApiRequest } from "../../tools/kubeconfig";
import { type LiveCluster, openLiveCluster, startLiveCluster } from "../../tools/live/cluster";
import { removeLiveCluster } from "../../tools/live/down";
import { packImages } from "../../tools/live/images";
import { dnsImage, nodeDataPath, pauseImage, readLiveState } from "../../tools/live/state";
import { projectRoot } from "../../tools/paths";
import { eventually } from "../support/cluster";

jest.setTimeout(300_000);

const shell = "docker.io/library/busybox:1.37-musl";
const root = mkdtempSync(join(tmpdir(), "compute-mesh-"));
let images: string[];
let cluster: LiveCluster;
let request: ApiRequest;
let close: () => void;
let before: Machine;

/** What a live cluster could leave on the machine. */
interface Machine {
  folders: string[];
  settings: Record<string, string>;
  routes: string;
  links: string;
}

const hostFolders = [
  "/run/containerd",
  "/var/lib/containerd",
  "/var/lib/kubelet",
  "/var/lib/cni",
  "/var/log/pods",
  "/var/log/containers",
  "/opt/containerd",
  "/opt/cni",
  "/etc/cni",
  nodeDataPath,
];

function machine(): Machine {
  const settings = ["vm/overcommit_memory", "kernel/panic", "kernel/panic_on_oops", "net/ipv4/ip_forward", "kernel/hostname"];
  const ip = (...args: string[]): string => execFileSync("ip", ["-brief", ...args], { encoding: "utf8" });
  return {
    folders: hostFolders.filter((folder) => existsSync(folder)),
    settings: Object.fromEntries(settings.map((name) => [name, readFileSync(`/proc/sys/${name}`, "utf8").trim()])),
    routes: ip("route"),
    links: ip("link"),
  };
}

/** Everything on the machine that bears the id of a cluster or lies below its folder. Other clusters may run beside it. */
function traces(id: string, dir: string): string[] {
  const found: string[] = [];
  const list = (folder: string): string[] => (existsSync(folder) ? readdirSync(folder) : []);
  for (const name of list("/run/netns")) if (name.startsWith(id)) found.push(`namespace ${name}`);
  for (const hierarchy of ["/sys/fs/cgroup", ...list("/sys/fs/cgroup").map((name) => `/sys/fs/cgroup/${name}`)]) {
    try {
      for (const name of readdirSync(hierarchy)) if (name.startsWith(id)) found.push(`control group ${hierarchy}/${name}`);
    } catch {
      // A file.
    }
  }
  const mounts = readFileSync("/proc/self/mountinfo", "utf8").split("\n");
  found.push(...mounts.filter((line) => line.includes(dir) || line.includes(`/${id}-`)));
  for (const pid of list("/proc").filter((name) => /^\d+$/.test(name) && Number(name) !== process.pid)) {
    try {
      const text = readFileSync(`/proc/${pid}/cmdline`, "utf8") + readFileSync(`/proc/${pid}/cgroup`, "utf8");
      if (text.includes(`${dir}/`) || text.includes(`/${id}-`) || text.includes(`netns/${id}`))
        found.push(`process ${pid}: ${text.replaceAll("\0", " ").slice(0, 200)}`);
    } catch {
      // It ended meanwhile.
    }
  }
  if (existsSync(dir)) found.push(dir);
  return found;
}

const kubectl = (...args: string[]): string =>
  execFileSync("kubectl", ["--kubeconfig", cluster.kubeconfig, ...args], {
    encoding: "utf8",
    stdio: ["ignore", "pipe", "pipe"],
    timeout: 60_000,
  });

async function apply(path: string, object: unknown): Promise<void> {
  const { status, body } = await request(
    "PATCH",
    `${path}?fieldManager=test&force=true`,
    JSON.stringify(object),
    "application/apply-patch+yaml",
  );
  if (status >= 300) throw new Error(JSON.stringify(body));
}

interface Pod {
  metadata: { name: string };
  spec: { nodeName: string };
  status: { podIP: string; conditions?: { type: string; status: string }[] };
}

async function webPods(): Promise<Pod[]> {
  const { body } = await request("GET", "/api/v1/namespaces/default/pods?labelSelector=app%3Dweb");
  return (body as { items: Pod[] }).items;
}

const ready = (pod: Pod): boolean => pod.status.conditions?.some(({ type, status }) => type === "Ready" && status === "True") === true;

/** Runs a shell line in the pod of a node. */
async function inPod(node: string, line: string): Promise<string> {
  const pod = (await webPods()).find(({ spec }) => spec.nodeName === node)!;
  return kubectl("exec", pod.metadata.name, "--", "sh", "-c", line).trim();
}

/** What one pod gets from another, "" for nothing within two seconds. By address: a static busybox cannot look names up for wget. */
const fetchFrom = (node: string, address: string): Promise<string> => inPod(node, `timeout 2 wget -qO- http://${address}/ || true`);

beforeAll(async () => {
  images = Object.values(await packImages([pauseImage, dnsImage, shell]));
  before = machine();
  cluster = await startLiveCluster({ name: "test", root, images, ephemeral: true, nodeGraceSeconds: 6 });
  const client = apiClient(cluster.access, 60_000);
  request = client.request;
  close = () => client.close();
  const container = {
    name: "web",
    image: shell,
    imagePullPolicy: "IfNotPresent",
    env: [{ name: "NODE", valueFrom: { fieldRef: { fieldPath: "spec.nodeName" } } }],
    command: ["sh", "-c", "echo started on $NODE; mkdir -p /tmp/www; echo $NODE > /tmp/www/index.html; exec httpd -f -p 8080 -h /tmp/www"],
    readinessProbe: { httpGet: { path: "/index.html", port: 8080 }, periodSeconds: 1, timeoutSeconds: 5 },
    volumeMounts: [
      { name: "disk", mountPath: "/disk" },
      { name: "memory", mountPath: "/memory" },
    ],
  };
  const volumes = [
    { name: "disk", hostPath: { path: `${nodeDataPath}/web`, type: "DirectoryOrCreate" } },
    { name: "memory", emptyDir: { medium: "Memory" } },
  ];
  await apply("/apis/apps/v1/namespaces/default/daemonsets/web", {
    apiVersion: "apps/v1",
    kind: "DaemonSet",
    metadata: { name: "web" },
    spec: {
      selector: { matchLabels: { app: "web" } },
      template: { metadata: { labels: { app: "web" } }, spec: { terminationGracePeriodSeconds: 1, containers: [container], volumes } },
    },
  });
  for (const [name, policy] of [
    ["web", "Cluster"],
    ["web-local", "Local"],
  ]) {
    await apply(`/api/v1/namespaces/default/services/${name}`, {
      apiVersion: "v1",
      kind: "Service",
      metadata: { name },
      spec: { selector: { app: "web" }, internalTrafficPolicy: policy, ports: [{ port: 80, targetPort: 8080 }] },
    });
  }
  await eventually("three web pods are ready", async () => (await webPods()).filter(ready).length === 3, 120);
});

afterAll(async () => {
  close?.();
  await removeLiveCluster("test", root);
  await removeLiveCluster("other", root);
  rmSync(root, { recursive: true, force: true });
});

const serviceAddress = async (name: string): Promise<string> => {
  const { body } = await request("GET", `/api/v1/namespaces/default/services/${name}`);
  return (body as { spec: { clusterIP: string } }).spec.clusterIP;
};

describe("a live cluster", () => {
  it("has three nodes, each in its own zone", async () => {
    const { body } = await request("GET", "/api/v1/nodes");
    const nodes = (body as { items: { metadata: { name: string; labels: Record<string, string> } }[] }).items;
    expect(nodes.map(({ metadata }) => [metadata.name, metadata.labels["topology.kubernetes.io/zone"]])).toEqual([
      ["n1", "zone-a"],
      ["n2", "zone-b"],
      ["n3", "zone-c"],
    ]);
    expect(nodes[0].metadata.labels["topology.kubernetes.io/region"]).toBe("local");
  });

  it("gives each node a host name, processes and mounts of its own", () => {
    const [program, ...args] = cluster.onNode("n2");
    expect(execFileSync(program, [...args, "hostname"], { encoding: "utf8" }).trim()).toBe("n2");
    expect(machine()).toEqual(before);
  });

  it("runs commands in pods and shows their output through the API server", async () => {
    expect(await inPod("n3", "cat /tmp/www/index.html")).toBe("n3");
    const pod = (await webPods()).find(({ spec }) => spec.nodeName === "n1")!;
    expect(kubectl("logs", pod.metadata.name)).toBe("started on n1\n");
  });

  it("routes a Service to every node, or to the own node alone", async () => {
    const [all, local] = [await serviceAddress("web"), await serviceAddress("web-local")];
    const answering = async (node: string, address: string): Promise<string> => {
      const answers = await inPod(node, `for i in $(seq 40); do timeout 2 wget -qO- http://${address}/ || true; done`);
      return [...new Set(answers.split("\n"))].sort().join(" ");
    };
    // A pod is ready somewhat before kube-proxy of every node knows it.
    await eventually("every node answers", async () => (await answering("n1", all)) === "n1 n2 n3");
    await eventually("the own node answers alone", async () => (await answering("n2", local)) === "n2");
    const answers = (await inPod("n1", `for i in $(seq 40); do wget -qO- http://${all}/; done`)).split("\n");
    expect([...new Set(answers)].sort()).toEqual(["n1", "n2", "n3"]);
    const near = (await inPod("n2", `for i in $(seq 10); do wget -qO- http://${local}/; done`)).split("\n");
    expect(near).toEqual(Array<string>(10).fill("n2"));
  });

  it("answers for names on every node", async () => {
    const address = await serviceAddress("web");
    for (const node of ["n1", "n2", "n3"]) expect(await inPod(node, "nslookup web.default.svc.cluster.local")).toContain(address);
  });

  it("is reached from the machine by doors alone", async () => {
    const inside = execFileSync("ip", ["route", "get", cluster.address], { encoding: "utf8" });
    expect(inside).not.toContain("dev br0");
    const port = await cluster.openDoor(`${await serviceAddress("web")}:80`);
    expect(await (await fetch(`http://127.0.0.1:${port}/`)).text()).toMatch(/^n[123]\n$/);
    expect(await cluster.openDoor(`${await serviceAddress("web")}:80`)).toBe(port);
  });

  it("runs programs where pods reach them", async () => {
    const [program, ...args] = cluster.inNamespace;
    const server = `require("http").createServer((_, answer) => answer.end("from the control plane")).listen(8000, "${cluster.address}")`;
    const child = spawn(program, [...args, process.execPath, "-e", server], { stdio: "ignore" });
    try {
      await eventually("a pod reaches it", async () => (await fetchFrom("n2", `${cluster.address}:8000`)) === "from the control plane");
    } finally {
      child.kill("SIGKILL");
    }
  });

  it("starts nothing twice", async () => {
    const again = await startLiveCluster({ name: "test", root, images });
    expect(again.access).toEqual(cluster.access);
    expect((await openLiveCluster("test", root))!.nodes.map(({ running }) => running)).toEqual([true, true, true]);
  });
});

describe("failures of the network", () => {
  it("cuts a node off from one port of one address, and heals", async () => {
    const pods = await webPods();
    const target = pods.find(({ spec }) => spec.nodeName === "n3")!.status.podIP;
    const other = pods.find(({ spec }) => spec.nodeName === "n1")!.status.podIP;
    await cluster.partition("n2", [{ address: target, port: 8080 }]);
    expect(await fetchFrom("n2", `${target}:8080`)).toBe("");
    expect(await fetchFrom("n2", `${other}:8080`)).toBe("n1");
    expect(await fetchFrom("n1", `${target}:8080`)).toBe("n3");
    await cluster.partition("n2", []);
    expect(await fetchFrom("n2", `${target}:8080`)).toBe("n3");
  });

  it("unplugs a node and plugs it in again", async () => {
    const target = (await webPods()).find(({ spec }) => spec.nodeName === "n3")!.status.podIP;
    await cluster.pauseLink("n3");
    expect(await fetchFrom("n1", `${target}:8080`)).toBe("");
    await cluster.resumeLink("n3");
    await eventually("it answers again", async () => (await fetchFrom("n1", `${target}:8080`)) === "n3");
  });
});

describe("a node that loses its power", () => {
  it("is noticed, comes back with its disk, and has lost what lay in memory", async () => {
    await inPod("n2", "echo kept > /disk/file; echo lost > /memory/file; sync");
    expect(readFileSync(join(cluster.dataFolder("n2"), "web", "file"), "utf8")).toBe("kept\n");
    await cluster.killNode("n2");
    expect(cluster.nodes.map(({ running }) => running)).toEqual([true, false, true]);
    const conditions = async (): Promise<string | undefined> => {
      const { body } = await request("GET", "/api/v1/nodes/n2");
      return (body as { status: { conditions: { type: string; status: string }[] } }).status.conditions.find(({ type }) => type === "Ready")
        ?.status;
    };
    await eventually("the node counts as dead", async () => (await conditions()) === "Unknown", 60);
    expect(await fetchFrom("n1", await serviceAddress("web-local"))).toBe("n1");
    await cluster.startNode("n2");
    expect(await conditions()).toBe("True");
    await eventually("its pod is back", async () => (await webPods()).filter(ready).length === 3, 60);
    expect(await inPod("n2", "cat /disk/file; ls /memory")).toBe("kept");
  });

  it("is ready when its start says so, even where nobody has noticed that it was gone", async () => {
    await cluster.killNode("n3");
    await cluster.startNode("n3");
    const { body } = await request(
      "GET",
      "/api/v1/namespaces/kube-system/pods?labelSelector=k8s-app%3Dkube-dns&fieldSelector=spec.nodeName%3Dn3",
    );
    const [dns] = (body as { items: (Pod & { status: { containerStatuses: { restartCount: number }[] } })[] }).items;
    expect([ready(dns), dns.status.containerStatuses[0].restartCount]).toEqual([true, 1]);
    await eventually("its pod answers", async () => (await inPod("n3", "cat /tmp/www/index.html").catch(() => "")) === "n3", 60);
  });
});

describe("what is left", () => {
  /** Starts a cluster in a process of its own. */
  function owner(options: Record<string, unknown>): { kill(): Promise<void>; ended: Promise<unknown> } {
    const script = `
      const { startLiveCluster } = require(${JSON.stringify(join(projectRoot, "tools", "live", "cluster.ts"))});
      startLiveCluster(${JSON.stringify({ name: "other", root, images, nodes: [{ name: "n1", zone: "z" }], ...options })})
        .then(() => setInterval(() => undefined, 1000));`;
    const child = spawn(process.execPath, ["-r", "ts-node/register/transpile-only", "-e", script], { cwd: projectRoot, stdio: "ignore" });
    const ended = new Promise((resolve) => child.once("exit", resolve));
    return {
      ended,
      kill: async () => {
        child.kill("SIGKILL");
        await ended;
      },
    };
  }
  const dir = join(root, "other");
  const stateOf = async (): Promise<string> => {
    await eventually("the start has begun", () => readLiveState(dir) !== undefined, 60);
    return readLiveState(dir)!.id;
  };

  it("is nothing once the owner of an ephemeral cluster is killed, beside another cluster that goes on", async () => {
    const process = owner({ ephemeral: true, dataTmpfs: "8m" });
    const id = await stateOf();
    await eventually(
      "it is ready",
      async () => (await openLiveCluster("other", root))?.nodes[0].running === true && existsSync(join(dir, "nodes/n1/go")),
      120,
    );
    expect(traces(id, dir).length).toBeGreaterThan(5);
    const other = (await openLiveCluster("other", root))!;
    const [program, ...args] = other.onNode("n1");
    // Full at 8 MiB, whatever the machine's disk has.
    const fill = (): string =>
      execFileSync(program, [...args, "dd", "if=/dev/zero", `of=${nodeDataPath}/full`, "bs=1M", "count=16"], {
        encoding: "utf8",
        stdio: "pipe",
      });
    expect(fill).toThrow(/No space left on device/);
    await process.kill();
    await eventually("nothing is left", () => traces(id, dir).length === 0, 60);
    expect(cluster.nodes.map(({ running }) => running)).toEqual([true, true, true]);
  });

  it.each<[string, (id: string) => boolean, { namespaces: number; processes: number }]>([
    ["its state is written", () => true, { namespaces: 0, processes: 0 }],
    ["the first network namespace is there", (id) => existsSync(`/run/netns/${id}-cp`), { namespaces: 1, processes: 0 }],
    ["etcd is started", () => existsSync(join(dir, "pids", "etcd.json")), { namespaces: 2, processes: 1 }],
    ["its node is started", () => existsSync(join(dir, "pids", "node-n1.json")), { namespaces: 2, processes: 6 }],
  ])("is nothing after a start that was killed when %s", async (_, reached, least) => {
    const process = owner({});
    const id = await stateOf();
    await eventually("the start is that far", () => reached(id), 120);
    await process.kill();
    const removed = (await removeLiveCluster("other", root))!;
    expect(removed.namespaces).toBeGreaterThanOrEqual(least.namespaces);
    expect(removed.processes).toBeGreaterThanOrEqual(least.processes);
    expect(traces(id, dir)).toEqual([]);
  });

  it("is nothing after a stop, and foreign processes and mounts inside are gone as well", async () => {
    const { id } = readLiveState(cluster.dir)!;
    const [program, ...args] = cluster.inNamespace;
    const foreign = spawn(program, [...args, "sleep", "600"], { stdio: "ignore" });
    const ended = new Promise((resolve) => foreign.once("exit", (_, signal) => resolve(signal)));
    const guests = readdirSync("/proc").filter((pid) => /^\d+$/.test(pid) && runsIn(pid, id));
    expect(guests.length).toBeGreaterThan(0);
    close();
    const removed = await cluster.stop();
    expect(removed!.processes).toBeGreaterThan(20);
    expect(removed!.namespaces).toBe(4);
    expect(await ended).toBe("SIGKILL");
    expect(traces(id, cluster.dir)).toEqual([]);
    expect(machine()).toEqual(before);
    expect(await cluster.stop()).toBeUndefined();
  });

  /** True for a process in a control group of the cluster: of a pod. */
  function runsIn(pid: string, id: string): boolean {
    try {
      readlinkSync(`/proc/${pid}/exe`);
      return readFileSync(`/proc/${pid}/cgroup`, "utf8").includes(`/${id}-`);
    } catch {
      return false;
    }
  }
});

describe("a machine that cannot do it", () => {
  it("is told what is missing, before anything is made", async () => {
    const empty = mkdtempSync(join(tmpdir(), "compute-mesh-"));
    const path = process.env.PATH;
    writeFileSync(join(empty, "readme"), "no programs here");
    try {
      process.env.PATH = empty;
      await expect(startLiveCluster({ name: "none", root, images })).rejects.toThrow(/nsenter[^]*`npm start`/);
    } finally {
      process.env.PATH = path;
      rmSync(empty, { recursive: true });
    }
    expect(existsSync(join(root, "none"))).toBe(false);
  });
});
