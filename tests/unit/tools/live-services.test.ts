import { execFileSync, spawn } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { envoyBootstrap, parseStats } from "../../../tools/live/envoy";
import { gatewayProblems, type StatusObject } from "../../../tools/live/gateway-status";
import { brokerProperties } from "../../../tools/live/kafka-broker";
import { recordedServices, startServiceProcess, stopServices, untilServing } from "../../../tools/live/services";
import { untilListening } from "../../../tools/live/services-listening";
import { socketPath } from "../../../tools/live/services-socket";
import { projectRoot } from "../../../tools/paths";
import { isAlive, type RecordedProcess } from "../../../tools/processes";

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "compute-mesh-services-"));
});
afterAll(async () => {
  await stopServices(folder, 0);
  rmSync(folder, { recursive: true, force: true });
});

const sleeper = (name: string, script = "setInterval(() => {}, 1000)"): Promise<RecordedProcess> =>
  startServiceProcess({ folder }, { name, binary: process.execPath, args: ["-e", script] });

describe("the processes of services", () => {
  it("are ended by another process, which knows the folder only", async () => {
    const started = [await sleeper("kafka-1"), await sleeper("object-store"), await sleeper("envoy-default-edge")];
    expect(recordedServices(folder)).toHaveLength(3);
    const program = `require("./tools/live/services.ts").stopServices(process.argv[1], 0).then((count) => process.stdout.write(String(count)))`;
    const said = execFileSync(process.execPath, ["-r", "ts-node/register/transpile-only", "-e", program, folder], {
      cwd: projectRoot,
      encoding: "utf8",
    });
    expect(said).toBe("3");
    expect(started.map(isAlive)).toEqual([false, false, false]);
    expect(recordedServices(folder)).toEqual([]);
  });

  it("are left alone where they are no services", async () => {
    const part = await sleeper("etcd");
    expect(await stopServices(folder, 0)).toBe(0);
    expect(isAlive(part)).toBe(true);
    process.kill(part.pid, "SIGKILL");
  });

  it("give way to a new start under the same name", async () => {
    const first = await sleeper("kafka-1");
    const second = await sleeper("kafka-1");
    expect([first, second].map(isAlive)).toEqual([false, true]);
    expect(recordedServices(folder).map(({ pid }) => pid)).toEqual([second.pid]);
    await stopServices(folder, 0);
  });

  it("run behind a prefix under the pid that is recorded", async () => {
    const place = { folder, prefix: ["env", "-u", "LANG"] };
    const started = await startServiceProcess(place, {
      name: "object-store",
      binary: process.execPath,
      args: ["-e", "setInterval(() => {}, 1000)"],
    });
    await stopServices(folder, 0);
    expect(isAlive(started)).toBe(false);
  });

  it("are ended by the folder's watchdog when their starter is killed", async () => {
    const own = join(folder, "owned");
    mkdirSync(own);
    const program = `
      require("./tools/cluster-run.ts").startWatchdog(process.argv[1]);
      require("./tools/live/services.ts")
        .startServiceProcess({ folder: process.argv[1] }, { name: "kafka-1", binary: process.execPath, args: ["-e", "setInterval(() => {}, 1000)"] })
        .then((started) => { console.log(JSON.stringify(started)); setInterval(() => {}, 1000); });`;
    const owner = spawn(process.execPath, ["-r", "ts-node/register/transpile-only", "-e", program, own], {
      cwd: projectRoot,
      stdio: ["ignore", "pipe", "inherit"],
    });
    const line = await new Promise<string>((resolve) => owner.stdout.once("data", (data: Buffer) => resolve(data.toString())));
    const started = JSON.parse(line) as RecordedProcess;
    expect(isAlive(started)).toBe(true);
    owner.kill("SIGKILL");
    for (let tries = 0; tries < 400 && existsSync(own); tries += 1) await new Promise((resolve) => setTimeout(resolve, 50));
    expect([isAlive(started), existsSync(own)]).toEqual([false, false]);
  }, 60_000);

  it("are an error with their log where they end before they serve", async () => {
    const started = await sleeper("kafka-1", 'console.error("no space left on device"); process.exit(3)');
    await expect(untilListening("Kafka", { folder }, [started], [1])).rejects.toThrow(
      /Kafka: kafka-1 ended; last lines of kafka-1.log:\nno space left/,
    );
  });

  it("are an error with the last reason where they do not serve in time", async () => {
    const started = await sleeper("kafka-1");
    const ready = (): never => {
      throw new Error("refused");
    };
    await expect(untilServing("Kafka", { folder }, [started], ready, 0.2)).rejects.toThrow("Kafka: not ready within 0.2 s (refused)");
    await stopServices(folder, 0);
  });
});

describe("sockets", () => {
  it("lie with their service, or in a private folder where their path would be too long for the system", () => {
    expect(socketPath("/short", "a.sock")).toBe("/short/a.sock");
    const long = socketPath(`/${"x".repeat(100)}`, "a.sock");
    expect(Buffer.byteLength(long)).toBeLessThan(104);
    expect(long).not.toBe(socketPath(`/${"x".repeat(101)}`, "a.sock"));
  });
});

describe("a broker's properties", () => {
  const controllers = [
    { id: 1, host: "10.200.0.1", port: 9300 },
    { id: 2, host: "10.200.0.1", port: 9301 },
    { id: 3, host: "10.200.0.1", port: 9302 },
  ];
  const properties = (id: number): Map<string, string> => {
    const listeners = [
      { name: "PODS", bind: { host: "10.200.0.1", port: 9092 } },
      { name: "HOST", bind: { host: "10.200.0.1", port: 9400 }, advertised: { host: "127.0.0.1", port: 23456 } },
    ];
    const text = brokerProperties({ id, controllers, listeners, dataFolder: "/data", brokers: 4, properties: { "log.retention.ms": "5" } });
    return new Map(text.split("\n").flatMap((line) => (line === "" ? [] : [line.split(/=(.*)/s).slice(0, 2) as [string, string]])));
  };

  it("tell pods its address, and clients on this machine the port of the door", () => {
    expect(properties(1).get("listeners")).toBe("PODS://10.200.0.1:9092,HOST://10.200.0.1:9400,CONTROLLER://10.200.0.1:9300");
    expect(properties(1).get("advertised.listeners")).toBe("PODS://10.200.0.1:9092,HOST://127.0.0.1:23456");
    expect(properties(1).get("inter.broker.listener.name")).toBe("PODS");
  });

  it("make the first three controllers, and further ones brokers only", () => {
    expect(properties(3).get("process.roles")).toBe("broker,controller");
    expect(properties(4).get("process.roles")).toBe("broker");
    expect(properties(4).get("listeners")).not.toContain("CONTROLLER");
    expect(properties(4).get("controller.quorum.voters")).toBe("1@10.200.0.1:9300,2@10.200.0.1:9301,3@10.200.0.1:9302");
    expect(properties(4).get("offsets.topic.replication.factor")).toBe("3");
  });

  it("can be overridden", () => {
    expect(properties(1).get("log.retention.ms")).toBe("5");
  });
});

describe("Envoy", () => {
  it("asks the controller's socket for the Gateway that it serves, and listens nowhere by itself", () => {
    const text = JSON.stringify(envoyBootstrap({ namespace: "mesh", name: "edge-gateway" }, "/x/xds.sock", "/x/admin.sock"));
    // The name by which kgateway means the public certificate authorities.
    expect(text).toContain('"name":"SYSTEM_CA_CERT","validation_context":{"trusted_ca":{"filename":"/etc/ssl/certs/ca-certificates.crt"}}');
    expect(text).toContain('"role":"kgateway-kube-gateway-api~mesh~edge-gateway"');
    expect(text).toContain('"pipe":{"path":"/x/xds.sock"}');
    expect(text).not.toMatch(/socket_address|"listeners"/);
  });

  it("has counters that are read without its histograms", () => {
    const stats = parseStats('listener_manager.lds.update_rejected: 2\nx.update_duration: P0(nan,0)\ncontrol_plane.identifier: ""\n');
    expect([...stats]).toEqual([["listener_manager.lds.update_rejected", 2]]);
  });
});

describe("a Gateway's problems", () => {
  const conditions = (types: string[], more: object = {}): { type: string; status: string; observedGeneration: number }[] =>
    types.map((type) => ({ type, status: "True", observedGeneration: 2, ...more }));
  const gateway = { namespace: "mesh", name: "edge" };
  const object: StatusObject = {
    metadata: { name: "edge", namespace: "mesh", generation: 2 },
    status: {
      conditions: conditions(["Accepted", "Programmed"]),
      listeners: [{ name: "http", conditions: conditions(["Accepted", "ResolvedRefs", "Programmed"]) }],
    },
  };
  const routeTypes = ["Accepted", "ResolvedRefs", "kgateway.dev/Programmed"];
  const route = (more: object = {}): StatusObject => ({
    metadata: { name: "r", namespace: "mesh", generation: 2 },
    spec: { parentRefs: [{ name: "edge" }] },
    status: { parents: [{ parentRef: { name: "edge" }, conditions: conditions(routeTypes, more) }] },
  });
  const stats = new Map([
    ["listener_manager.total_listeners_active", 1],
    ["listener_manager.lds.update_rejected", 3],
  ]);
  const findings = { gateway, object, routes: [route()], atLeast: 1, stats, before: stats };

  it("are none where everything is as written, rejections of the past included", () => {
    expect(gatewayProblems(findings)).toEqual([]);
  });

  it("are a missing Gateway, a route too few, and a status of before the last change", () => {
    expect(gatewayProblems({ ...findings, object: undefined })).toEqual(["Gateway mesh/edge does not exist"]);
    const elsewhere = { ...route(), spec: { parentRefs: [{ name: "edge", namespace: "other" }] } };
    expect(gatewayProblems({ ...findings, routes: [elsewhere] })).toEqual(["Gateway mesh/edge has 0 of 1 HTTPRoutes"]);
    expect(gatewayProblems({ ...findings, routes: [route({ observedGeneration: 1 })] })).toHaveLength(3);
    expect(gatewayProblems({ ...findings, routes: [{ ...route(), status: {} }] })[0]).toBe("HTTPRoute mesh/r: no word of Accepted yet");
  });

  it("are a condition that is false, with its reason, and updates that Envoy goes on rejecting", () => {
    const refused = route({ status: "False", reason: "BackendNotFound", message: "no Service x" });
    expect(gatewayProblems({ ...findings, routes: [refused] })).toContain(
      "HTTPRoute mesh/r: ResolvedRefs is False: BackendNotFound no Service x",
    );
    const before = new Map([...stats, ["listener_manager.lds.update_rejected", 1]] as [string, number][]);
    expect(gatewayProblems({ ...findings, before })).toEqual([
      "Envoy rejects what it is told (listener_manager.lds.update_rejected): its log says why",
    ]);
    expect(gatewayProblems({ ...findings, stats: new Map() })).toEqual(["Envoy has no listener yet"]);
  });

  it("are a Backend or a policy that is not accepted, and one of which nothing is said", () => {
    const metadata = { name: "p", namespace: "mesh", generation: 2 };
    const backend: StatusObject = {
      kind: "Backend",
      metadata,
      status: { conditions: conditions(["Accepted"], { status: "False", reason: "Invalid" }) },
    };
    const policy = (types: string[]): StatusObject => ({
      kind: "TrafficPolicy",
      metadata,
      status: { ancestors: [{ ancestorRef: { name: "edge" }, conditions: conditions(types) }] },
    });
    expect(gatewayProblems({ ...findings, companions: [policy(["Accepted", "Attached"])] })).toEqual([]);
    expect(gatewayProblems({ ...findings, companions: [backend, policy(["Accepted"]), { kind: "BackendTLSPolicy", metadata }] })).toEqual([
      "Backend mesh/p: Accepted is False: Invalid",
      "TrafficPolicy mesh/p at edge: no word of Attached yet",
      "BackendTLSPolicy mesh/p: no word of Accepted and ResolvedRefs yet",
    ]);
  });
});
