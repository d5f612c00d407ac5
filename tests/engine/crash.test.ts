/**
 * The engine, the provider or the API server killed midway, at several points: the commands of docs/recovery.md bring everything in order.
 *
 * State is written as it goes here, as it is for users; the other tests write it once at the end.
 */
import * as fs from "node:fs";
import * as path from "node:path";
import { startCluster } from "../../tools/cluster";
import { isAlive, type ProcessIdentity, signalProcess, startTimeOf } from "../../tools/process-identity";
import { eventually, testCluster, type TestCluster } from "../support/cluster";
import { sharedCrds } from "../support/crds";
import { localStack, meshNode, setMesh } from "../support/local-stack";
import { descendants, type TreeProcess } from "../support/process-tree";
import type { RunningCommand, TestStack, Verb } from "../support/pulumi";
import { type Outcome, succeeded, summary } from "../support/pulumi-events";
import { smallMesh } from "../support/small-mesh";

const crds = ["gateway-api", "kgateway"] as const;
/** Resources of the small mesh, components included. */
const total = 34;
const stackTrace = /^\s+at .+:\d+:\d+\)?$/m;

let cluster: TestCluster;
const stacks = new Map<string, TestStack>();

beforeAll(async () => {
  cluster = await testCluster({ name: "crash", crds: [...crds] });
}, 180_000);

afterAll(async () => {
  await Promise.all([...stacks.values()].map((stack) => stack.dispose()));
  await cluster?.stop();
}, 60_000);

/** A stack with a mesh of its own; several of them lie beside each other in the cluster. */
async function stackOf(mesh: string): Promise<TestStack> {
  const stack = await localStack(cluster, smallMesh(mesh), { PULUMI_SKIP_CHECKPOINTS: undefined });
  stacks.set(mesh, stack);
  await stack.setConfig({ name: mesh });
  return stack;
}

const errors = (outcome: Outcome): string =>
  outcome.messages
    .filter(({ severity }) => severity === "error")
    .map(({ text }) => text)
    .join("\n");

const read = (apiPath: string): Promise<any> => cluster.read(apiPath);

/** Resolves once the engine has begun or ended `count` steps that change something. */
async function untilSteps(command: RunningCommand, count: number): Promise<void> {
  await eventually(`${count} steps`, () => {
    const log = fs.existsSync(command.eventLog) ? fs.readFileSync(command.eventLog, "utf8") : "";
    const steps = log.match(/"(resourcePreEvent|resOutputsEvent)":\{"metadata":\{"op":"(?!same")/g) ?? [];
    if (steps.length < count && command.process.exitCode !== null) {
      throw new Error(`it ended after ${steps.length} steps`);
    }
    return steps.length >= count;
  });
}

/** SIGKILL for the engine after so many steps. Returns what it had started. */
async function killEngine(stack: TestStack, verb: Verb, steps: number): Promise<TreeProcess[]> {
  const command = stack.start(verb);
  await untilSteps(command, steps);
  // Stopped first, so that it starts nothing between the look and the kill.
  command.process.kill("SIGSTOP");
  const below = descendants(command.process.pid as number);
  command.process.kill("SIGKILL");
  expect((await command.outcome).signal).toBe("SIGKILL");
  return below;
}

async function gone(processes: readonly ProcessIdentity[]): Promise<void> {
  await eventually("the end of everything that the engine had started", () => !processes.some(isAlive), 10);
}

const cancel = (stack: TestStack): Promise<unknown> => stack.pulumi("cancel", "--yes", "--stack", stack.stack);
const clearPending = async (stack: TestStack): Promise<Outcome> => succeeded(await stack.refresh({ args: ["--clear-pending-creates"] }));

/** Nothing to change, nothing pending, nothing twice, everything ready. */
async function expectConverged(mesh: string, nodes = 2, resources = total): Promise<void> {
  const stack = stacks.get(mesh) as TestStack;
  const preview = succeeded(await stack.preview());
  expect(summary(preview)).toEqual([]);
  expect(preview.unchanged).toHaveLength(resources);
  const { deployment } = await stack.export();
  expect((deployment.pending_operations ?? []).map((one) => one.resource.urn)).toEqual([]);
  const kept = deployment.resources ?? [];
  expect(kept.map((one) => one.urn).sort()).toEqual([...new Set(preview.unchanged.map((one) => one.urn))].sort());
  expect(kept.flatMap((one) => one.initErrors ?? [])).toEqual([]);
  const { items } = await read(`/apis/apps/v1/namespaces/${mesh}/daemonsets`);
  expect(Object.fromEntries(items.map((one: any) => [one.metadata.name, one.status.numberReady]))).toEqual({
    [`${mesh}-db`]: nodes,
    [`${mesh}-ingest`]: nodes,
    [`${mesh}-snapshots-hourly`]: nodes,
    "prices-v1-20261121t0600z": nodes,
  });
  expect(await nodesOf(mesh)).toHaveLength(nodes);
  // The state has everything that was made, so that no note of a create is left.
  expect(openNotes(stack)).toEqual([]);
}

async function nodesOf(mesh: string): Promise<string[]> {
  const { items } = await read("/api/v1/nodes");
  return items.map((one: any) => one.metadata.name as string).filter((name: string) => name.startsWith(`${mesh}-`));
}

const notesOf = (stack: TestStack): string => path.join(stack.folder, "home", "kubernetes-stand-in", "creates");
const openNotes = (stack: TestStack): string[] => (fs.existsSync(notesOf(stack)) ? fs.readdirSync(notesOf(stack)) : []);

describe("a killed engine", () => {
  it("says how to go on, leaves no process behind, and can be killed again on the way", async () => {
    const stack = await stackOf("again");
    const left = await killEngine(stack, "up", 4);
    expect(left.map(({ command }) => /[a-z-]+\/(main|index)\.js/.exec(command)?.[0]).sort()).toEqual([
      "kubernetes-provider/main.js",
      "language-host/main.js",
      "run/index.js",
    ]);
    await gone(left);
    expect((await stack.up()).text).toContain("`pulumi cancel`");
    for (const steps of [30, 10]) {
      await cancel(stack);
      await gone(await killEngine(stack, "up", steps));
    }
    await cancel(stack);
    await clearPending(stack);
    succeeded(await stack.up());
    await expectConverged("again");
  }, 240_000);

  it.each([
    { mesh: "early", steps: 14 },
    { mesh: "late", steps: 50 },
  ])(
    "has the next update go on with what it made: killed after $steps steps",
    async ({ mesh, steps }) => {
      const stack = await stackOf(mesh);
      // The next command does not wait for the provider to notice that its engine is gone.
      const left = await killEngine(stack, "up", steps);
      await cancel(stack);
      succeeded(await stack.up());
      await gone(left);
      // The engine itself keeps on warning about interrupted creates until they are cleared.
      await clearPending(stack);
      await expectConverged(mesh);
    },
    240_000,
  );

  it("converges on an update too", async () => {
    const stack = stacks.get("late") as TestStack;
    const mesh = smallMesh("late");
    await setMesh(stack, { ...mesh, nodes: { ...mesh.nodes, "late-3": meshNode("zone-c") } });
    await killEngine(stack, "up", 12);
    await cancel(stack);
    await clearPending(stack);
    succeeded(await stack.up());
    await expectConverged("late", 3, total + 1);
  }, 240_000);

  it("converges on a removal too", async () => {
    const stack = stacks.get("late") as TestStack;
    await stack.pulumi("state", "unprotect", "--all", "--stack", stack.stack, "--yes");
    await killEngine(stack, "destroy", 20);
    await cancel(stack);
    await clearPending(stack);
    succeeded(await stack.destroy());
    expect((await stack.export()).deployment.resources ?? []).toEqual([]);
    expect(await read("/api/v1/namespaces/late")).toBeUndefined();
    expect(await nodesOf("late")).toEqual([]);
    expect(await read("/apis/scheduling.k8s.io/v1/priorityclasses/late-db-priority")).toBeUndefined();
  }, 240_000);

  it("leaves objects that are refused and can be adopted where nobody noted the creates, as with the official provider", async () => {
    const stack = await stackOf("adopted");
    // Not every moment falls between the making of an object and the engine's word of it.
    let refused = "";
    for (const steps of [34, 8, 8, 8, 8]) {
      await gone(await killEngine(stack, "up", steps));
      fs.rmSync(notesOf(stack), { recursive: true, force: true });
      await cancel(stack);
      await clearPending(stack);
      refused = errors(await stack.preview());
      if (refused !== "") break;
    }
    expect(refused).toContain("already exists");
    succeeded(await stack.up({ env: { PULUMI_K8S_UPSERT_EXISTING_OBJECTS: "true", PULUMI_K8S_ENABLE_PATCH_FORCE: "true" } }));
    // Back to a provider that adopts nothing.
    expect(summary(succeeded(await stack.up()))).toEqual(["update adopted-cluster-kubernetes"]);
    await expectConverged("adopted");
  }, 240_000);
});

describe("a killed provider", () => {
  it("fails the update with a readable error, and the next one goes on", async () => {
    const stack = await stackOf("provider");
    const command = stack.start("up");
    await untilSteps(command, 34);
    const providers = descendants(command.process.pid as number).filter((one) => one.command.includes("kubernetes-provider"));
    expect(providers).toHaveLength(1);
    providers.forEach((one) => signalProcess(one, "SIGKILL"));
    const failed = await command.outcome;
    expect(failed.code).toBe(1);
    expect(errors(failed)).toContain("pulumi-resource-kubernetes exited prematurely");
    expect(errors(failed)).not.toMatch(stackTrace);
    succeeded(await stack.up());
    await expectConverged("provider");
  }, 240_000);
});

describe("a killed API server", () => {
  it("fails the update with a readable error, and the next one goes on once it is back", async () => {
    const stack = await stackOf("server");
    const command = stack.start("up");
    await untilSteps(command, 50);
    const { pid = 0 } = cluster.info.parts.find(({ part }) => part === "kube-apiserver") ?? {};
    expect(signalProcess({ pid, startTime: startTimeOf(pid) ?? "" }, "SIGKILL")).toBe(true);
    const failed = await command.outcome;
    expect(failed.code).toBe(1);
    expect(errors(failed)).toContain("cannot reach the Kubernetes API server");
    expect(errors(failed)).not.toMatch(stackTrace);

    const { name, dir } = cluster.info;
    await startCluster({ name, root: path.dirname(dir), ephemeral: true, quiet: true, crds: [...crds], crdFolder: sharedCrds });
    succeeded(await stack.up());
    await expectConverged("server");
  }, 240_000);
});
