import { execFileSync, spawn } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { cgroupLayout, createCgroup, removeCgroup } from "../../../tools/live/cgroups";
import { liveDown, liveNode } from "../../../tools/live/command";
import { controlPlaneArguments, newTokens, withFlags } from "../../../tools/live/control-plane";
import { dnsObjects, dnsReadyOn } from "../../../tools/live/dns";
import { openDoor } from "../../../tools/live/door";
import { removeFolder } from "../../../tools/live/down";
import { partitionRules } from "../../../tools/live/network";
import { clockSpec } from "../../../tools/live/clock";
import { cniConfig, containerdConfig, kubeletConfig, nodeLabels, proxyConfig } from "../../../tools/live/node-config";
import { mayLowerOomScore, packagedLauncher } from "../../../tools/live/parts";
import { notReadyReason } from "../../../tools/live/ready";
import { liveProblems, type MachineFacts, requirementsMessage } from "../../../tools/live/requirements";
import {
  inNamespace,
  liveClusterNames,
  liveFolder,
  livePaths,
  namespaceName,
  newLiveId,
  numberNodes,
  podRange,
} from "../../../tools/live/state";
import { startTimeOf } from "../../../tools/process-identity";

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "compute-mesh-"));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

const node = { name: "n2", zone: "zone-b", number: 2 };

describe("requirements", () => {
  const good: MachineFacts = {
    platform: "linux",
    uid: 0,
    missingPrograms: [],
    cgroups: { version: 2, folders: ["/sys/fs/cgroup"] },
    cgroupsWritable: true,
    overlay: true,
    missingTools: [],
    apt: true,
  };

  it("finds nothing wrong with a machine that has everything", () => {
    expect(liveProblems(good)).toEqual([]);
  });

  it.each<[string, Partial<MachineFacts>, RegExp]>([
    ["another system", { platform: "darwin" }, /darwin.*need Linux/],
    ["not root", { uid: 1000 }, /not root.*sudo/],
    ["programs", { missingPrograms: ["nsenter", "unshare"] }, /nsenter, unshare not found.*install util-linux$/],
    ["namespaces", { namespaceError: "unshare failed: Operation not permitted" }, /Operation not permitted.*privileged/],
    ["control groups", { cgroups: undefined, cgroupsWritable: false }, /not mounted at \/sys\/fs\/cgroup/],
    ["writable control groups", { cgroupsWritable: false }, /read-only/],
    ["overlay", { overlay: false }, /overlay/],
    ["tools", { missingTools: ["containerd must be built: Go is not installed"] }, /Go is not installed/],
    ["apt", { apt: false }, /apt-get/],
  ])("says that %s is missing", (_, facts, text) => {
    const problems = liveProblems({ ...good, ...facts });
    expect(problems).toHaveLength(1);
    expect(problems[0]).toMatch(text);
  });

  it("says everything at once and points to the simulated cluster", () => {
    const message = requirementsMessage(liveProblems({ ...good, uid: 5, overlay: false, apt: false }));
    expect(message.split("\n")).toHaveLength(5);
    expect(message).toContain("`npm start`");
  });
});

describe("names and addresses", () => {
  it("numbers nodes and gives each a range of pod addresses of its own", () => {
    const nodes = numberNodes([
      { name: "a", zone: "x" },
      { name: "b", zone: "x" },
    ]);
    expect(nodes.map(podRange)).toEqual(["10.201.1.0/24", "10.201.2.0/24"]);
    expect(inNamespace({ id: "cm123456" })).toEqual(["nsenter", "--net=/run/netns/cm123456-cp"]);
    expect(namespaceName({ id: "cm123456" }, nodes[1])).toBe("cm123456-n2");
  });

  it("names everything that is wrong with the nodes", () => {
    expect(() =>
      numberNodes([
        { name: "A", zone: "x" },
        { name: "b", zone: "no zone" },
        { name: "b", zone: "x" },
      ]),
    ).toThrow(/nodes\[0\]\.name: "A" is not allowed.*nodes\[1\]\.zone: "no zone" is not allowed.*nodes\[2\]\.name: "b" is there twice/);
    expect(() => numberNodes([])).toThrow("nodes: 0 nodes are not allowed");
  });

  it("refuses a name that leads out of the folder", () => {
    expect(() => liveFolder("../x", folder)).toThrow('name: "../x" is not allowed');
    expect(liveFolder("live", folder)).toBe(join(folder, "live"));
  });

  it("draws ids that the remover takes for ids", () => {
    expect(newLiveId()).toMatch(/^cm[0-9a-f]{6}$/);
    expect(newLiveId()).not.toBe(newLiveId());
  });

  it("lists the clusters whose state is there", () => {
    expect(liveClusterNames(join(folder, "none"))).toEqual([]);
    for (const name of ["b", "a", "half"]) mkdirSync(join(folder, name));
    for (const name of ["b", "a"]) writeFileSync(join(folder, name, "live.json"), "{}");
    expect(liveClusterNames(folder)).toEqual(["a", "b"]);
  });
});

describe("settings of a node", () => {
  it("gives containerd our runc and, where the kernel refuses it, no lower memory killer scores", () => {
    const state = { cniPlugins: "/plugins", snapshotter: "overlayfs" } as const;
    const text = containerdConfig(state, { runc: "/bin/runc", cniFolder: "/n/cni", mayLowerOomScore: false });
    expect(text).toContain("restrict_oom_score_adj = true");
    expect(text).toContain('BinaryName = "/bin/runc"');
    expect(text).toContain('sandbox = "registry.k8s.io/pause:3.10"');
    expect(containerdConfig(state, { runc: "r", cniFolder: "c", mayLowerOomScore: true })).toContain("restrict_oom_score_adj = false");
  });

  it("shows the containers of a node another time where its clock is to be wrong", () => {
    const state = { cniPlugins: "/plugins", snapshotter: "overlayfs" } as const;
    const facts = { runc: "r", cniFolder: "c", mayLowerOomScore: true };
    expect(containerdConfig(state, facts)).not.toContain("base_runtime_spec");
    expect(containerdConfig(state, { ...facts, containerSpec: "/n/spec.json" })).toContain(
      '  base_runtime_spec = "/n/spec.json"\n[plugins',
    );
    const proc = { destination: "/proc", type: "proc", source: "proc", options: [] };
    const spec = clockSpec({ process: {}, mounts: [proc] }, "/cache/libfaketimeMT.so.1", -2);
    expect(spec.process.env).toEqual(expect.arrayContaining(["LD_PRELOAD=/opt/compute-mesh-clock/libfaketimeMT.so.1", "FAKETIME=-2s"]));
    expect(spec.mounts.map(({ destination }) => destination)).toEqual(["/proc", "/opt/compute-mesh-clock/libfaketimeMT.so.1"]);
    expect(clockSpec(spec, "/l", 3).process.env).toContain("FAKETIME=+3s");
    expect(() => numberNodes([{ name: "a", zone: "z", clockOffsetSeconds: 2.5 }])).toThrow("nodes[0].clockOffsetSeconds: 2.5");
  });

  it("reads CAP_SYS_RESOURCE from the capabilities of the process", () => {
    expect(mayLowerOomScore("CapInh:\t0\nCapEff:\t000001ffffffffff\n")).toBe(true);
    expect(mayLowerOomScore("CapEff:\t000001fffeffffff\n")).toBe(false);
  });

  it("gives the node's own pod addresses to CNI and its zone to kubelet", () => {
    expect(cniConfig(node)).toContain('"10.201.2.0/24"');
    expect(nodeLabels({ ...node, labels: { "example.com/x": "1" } }, "here")).toBe(
      "topology.kubernetes.io/region=here,topology.kubernetes.io/zone=zone-b,example.com/x=1",
    );
  });

  it("renews a node's lease several times within the time after which it counts as dead", () => {
    const config = (nodeGraceSeconds: number): any =>
      JSON.parse(kubeletConfig(node, { cgroup: "/cm-n2", caFile: "/ca", resolvConf: "/r", nodeGraceSeconds }));
    expect(config(15).nodeLeaseDurationSeconds).toBe(7);
    expect(config(4).nodeLeaseDurationSeconds).toBe(2);
    expect(config(15)).toMatchObject({ cgroupRoot: "/cm-n2", address: "10.200.0.12", authentication: { anonymous: { enabled: false } } });
  });

  it("tells kube-proxy its mode", () => {
    expect(JSON.parse(proxyConfig(node, { kubeconfig: "/k", mode: "iptables" }))).toMatchObject({
      mode: "iptables",
      hostnameOverride: "n2",
    });
  });

  it("starts packaged programs with their own libraries, and iptables by its many-named program", () => {
    const lib = join(folder, "usr/lib/x86_64-linux-gnu");
    mkdirSync(join(lib, "xtables"), { recursive: true });
    mkdirSync(join(folder, "usr/sbin"));
    for (const file of ["nft", "xtables-nft-multi"])
      writeFileSync(join(folder, "usr/sbin", file), '#!/bin/sh\necho "$LD_LIBRARY_PATH|$XTABLES_LIBDIR|$*"\n', { mode: 0o755 });
    const say = (name: string): string => {
      writeFileSync(join(folder, name), packagedLauncher(folder, name), { mode: 0o755 });
      return execFileSync(join(folder, name), ["-L"], { encoding: "utf8" }).trim();
    };
    expect(say("nft")).toBe(`${lib}:${join(folder, "usr/lib")}||-L`);
    expect(say("iptables-save")).toBe(`${lib}:${join(folder, "usr/lib")}|${join(lib, "xtables")}|iptables-save -L`);
    expect(() => packagedLauncher(folder, "runc")).toThrow("runc is not in the packages");
  });
});

describe("control plane", () => {
  it("replaces flags and keeps the others", () => {
    expect(withFlags(["--a=1", "--ab=2"], { "--a": "3", "--c": "4" })).toEqual(["--ab=2", "--a=3", "--c=4"]);
  });

  it("lets nodes reach the API server and keeps etcd to itself", () => {
    const paths = livePaths(folder);
    const pki = new Proxy({}, { get: (_, key) => `/pki/${String(key)}` }) as any;
    const args = controlPlaneArguments({ paths, pki, ports: { api: 6443, etcd: 2379, etcdPeer: 2380 }, stages: [] }, 9);
    expect(args["kube-apiserver"]).toEqual(
      expect.arrayContaining(["--bind-address=10.200.0.1", "--authorization-mode=Node,RBAC", "--secure-port=6443"]),
    );
    expect(args["kube-apiserver"].filter((arg) => arg.startsWith("--bind-address"))).toHaveLength(1);
    expect(args.etcd).toContain("--listen-client-urls=https://127.0.0.1:2379");
    expect(args["kube-controller-manager"]).toContain("--node-monitor-grace-period=9s");
  });

  it("draws a token for every user", () => {
    const tokens = newTokens({ nodes: [node] });
    expect(Object.keys(tokens).sort()).toEqual(["admin", "kube-controller-manager", "kube-proxy", "kube-scheduler", "node-n2"]);
    expect(new Set(Object.values(tokens)).size).toBe(5);
  });
});

describe("DNS", () => {
  it("answers on each node for the pods of that node", () => {
    const objects = dnsObjects() as any[];
    expect(objects.find(({ kind }) => kind === "Service").spec).toMatchObject({ clusterIP: "10.96.0.10", internalTrafficPolicy: "Local" });
    expect(objects.find(({ kind }) => kind === "DaemonSet").spec.template.spec.tolerations).toEqual([{ operator: "Exists" }]);
  });

  const started = "2026-01-01T10:00:05.700Z";
  const now = "2026-01-01T10:00:05Z";
  const earlier = "2026-01-01T10:00:04Z";

  it("says why it does not answer on a node", async () => {
    const pod = (nodeName: string, status: unknown): unknown => ({ metadata: {}, spec: { nodeName }, status });
    const running = (startedAt: string): unknown => ({
      conditions: [{ type: "Ready", status: "True" }],
      containerStatuses: [{ state: { running: { startedAt } } }],
    });
    const items = [
      pod("n1", running(now)),
      pod("n2", { conditions: [], containerStatuses: [{ state: { waiting: { reason: "ErrImagePull", message: "not found" } } }] }),
      pod("n3", running(earlier)),
    ];
    const reason = await dnsReadyOn(async () => Promise.resolve({ status: 200, body: { items } }));
    expect(["n1", "n2", "n3", "n4"].map((name) => reason(name, started))).toEqual([
      undefined,
      "its DNS pod is not ready (ErrImagePull: not found)",
      "its DNS pod is not ready",
      "its DNS pod is not there yet",
    ]);
  });

  it("takes a node for ready only by the word of the kubelet that was started last", () => {
    const object = (status: string, lastHeartbeatTime: string): any => ({
      metadata: { name: "n1" },
      status: { conditions: [{ type: "Ready", status, message: "PLEG", lastHeartbeatTime }] },
    });
    const objects = [undefined, object("False", now), object("True", now), object("True", earlier), { metadata: { name: "n1" } }];
    expect(objects.map((one) => notReadyReason(one, started))).toEqual([
      "not registered",
      "PLEG",
      undefined,
      "no word of it yet",
      "no word of it yet",
    ]);
  });
});

describe("a partition", () => {
  it("drops both directions, of one port or of all, and is replaced as a whole", () => {
    const rules = partitionRules([{ address: "10.200.0.1", port: 9092 }, { address: "10.201.3.7" }]);
    for (const hook of ["input", "forward", "output"]) expect(rules).toContain(`type filter hook ${hook} priority 0`);
    expect(rules).toContain("ip daddr 10.200.0.1 tcp dport 9092 drop\n    ip saddr 10.200.0.1 tcp sport 9092 drop");
    expect(rules).toContain("ip daddr 10.201.3.7 drop\n    ip saddr 10.201.3.7 drop");
    expect(rules.indexOf("delete table")).toBeLessThan(rules.indexOf("drop"));
    expect(partitionRules([])).toBe("table ip cm_partition {}\ndelete table ip cm_partition\n");
  });
});

describe("control groups", () => {
  it("tells both versions apart", () => {
    const v1 = ["memory", "pids"].map((name) => `30 29 0:26 / /sys/fs/cgroup/${name} rw - cgroup cgroup rw,${name}`);
    expect(cgroupLayout([...v1, "39 29 0:33 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw"].join("\n"))).toEqual({
      version: 1,
      folders: ["/sys/fs/cgroup/memory", "/sys/fs/cgroup/pids"],
    });
    expect(cgroupLayout("30 29 0:26 / /sys/fs/cgroup rw shared:9 - cgroup2 cgroup rw")).toEqual({
      version: 2,
      folders: ["/sys/fs/cgroup"],
    });
    expect(cgroupLayout("30 29 0:26 / /proc rw - proc proc rw")).toBeUndefined();
  });

  it("fills a new cpuset of version 1, in which nothing could run otherwise, and removes what is below", async () => {
    const cpuset = join(folder, "cpuset");
    const group = join(cpuset, "cm-n1");
    mkdirSync(group, { recursive: true });
    for (const [file, text] of [
      ["cpuset.cpus", "0-1"],
      ["cpuset.mems", "0"],
    ])
      writeFileSync(join(cpuset, file), text);
    // The kernel makes the files of a group.
    writeFileSync(join(group, "cpuset.cpus"), "");
    createCgroup({ version: 1, folders: [cpuset] }, "cm-n1");
    expect(readFileSync(join(group, "cpuset.cpus"), "utf8")).toBe("0-1");
    mkdirSync(join(cpuset, "cm-n2", "kubepods", "pod1"), { recursive: true });
    await removeCgroup({ version: 1, folders: [cpuset] }, "cm-n2", 200);
    expect(existsSync(join(cpuset, "cm-n2"))).toBe(false);
  });

  it("switches controllers on in version 2", () => {
    writeFileSync(join(folder, "cgroup.controllers"), "cpu io memory pids hugetlb\n");
    writeFileSync(join(folder, "cgroup.subtree_control"), "memory pids\n");
    createCgroup({ version: 2, folders: [folder] }, "cm-n1");
    expect(readFileSync(join(folder, "cgroup.subtree_control"), "utf8")).toBe("+cpu +io");
    expect(existsSync(join(folder, "cm-n1"))).toBe(true);
  });
});

describe("removing", () => {
  const recorded = (dir: string, pid: number, startTime: string): void => {
    mkdirSync(join(dir, "pids"), { recursive: true });
    writeFileSync(join(dir, "pids", "etcd.json"), JSON.stringify({ name: "etcd", pid, startTime }));
  };

  it("ends a recorded process and spares a later one with its pid", async () => {
    const child = spawn("sleep", ["60"], { stdio: "ignore" });
    const ended = new Promise((resolve) => child.once("exit", (_, signal) => resolve(signal)));
    recorded(join(folder, "x"), child.pid!, "another boot:1");
    expect(await removeFolder(join(folder, "x"))).toEqual({ processes: 0, cgroups: 0, namespaces: 0, mounts: 0 });
    expect(existsSync(join(folder, "x"))).toBe(false);
    expect(child.exitCode).toBeNull();
    recorded(join(folder, "x"), child.pid!, startTimeOf(child.pid!)!);
    expect(await removeFolder(join(folder, "x"))).toMatchObject({ processes: 1 });
    expect(await ended).toBe("SIGKILL");
  });

  it("does nothing where there is nothing, and nothing at all for a strange id", async () => {
    expect(await removeFolder(join(folder, "none"))).toBeUndefined();
    writeFileSync(join(folder, "live.json"), JSON.stringify({ id: "" }));
    await expect(removeFolder(folder)).rejects.toThrow(/live\.json: id "" is none of a live cluster/);
    expect(existsSync(folder)).toBe(true);
  });
});

describe("doors and commands", () => {
  it("refuses a target that is none", async () => {
    await expect(openDoor(folder, { id: "cm123456" }, "http://x")).rejects.toThrow(
      'target: "http://x" is not allowed: it must be host:port',
    );
  });

  it("says what is wrong with the words", async () => {
    const said: string[] = [];
    const write = jest.spyOn(process.stderr, "write").mockImplementation((text) => said.push(String(text)) > 0);
    try {
      expect(await liveNode(["burn", "n1"])).toBe(2);
      expect(await liveNode(["kill"])).toBe(2);
      expect(await liveNode(["status", "n1"])).toBe(2);
      expect(await liveDown(["now"])).toBe(2);
      expect(await liveNode(["status", "--name", "surely-none"])).toBe(1);
    } finally {
      write.mockRestore();
    }
    expect(said.join("")).toMatch(
      /"burn" is not known[^]*name of a node is missing[^]*one word too many[^]*"now" is one word too many[^]*surely-none does not run/,
    );
  });
});
