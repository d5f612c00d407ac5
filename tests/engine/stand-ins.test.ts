import * as fs from "node:fs";
import * as path from "node:path";
import { eventually, simulatedNode, testCluster, type TestCluster } from "../support/cluster";
import { type TestStack, type TestStackOptions, testStack } from "../support/pulumi";
import { type Outcome, succeeded, summary } from "../support/pulumi-events";

const fixtures = path.join(__dirname, "..", "fixtures");
const canary = "canary-7c1f0b";

let cluster: TestCluster;
const stacks: TestStack[] = [];

beforeAll(async () => {
  cluster = await testCluster({ name: "stand-ins" });
  // A DaemonSet whose controller has not seen the program's own node yet is complete with no pods at all, so one node is there beforehand.
  await change("POST", "/api/v1/nodes", simulatedNode("early"));
  await eventually("the node is ready", async () => {
    const node = await read<{ status: { conditions?: { type: string; status: string }[] } }>("/api/v1/nodes/early");
    return node?.status.conditions?.some(({ type, status }) => type === "Ready" && status === "True");
  });
}, 180_000);

afterAll(async () => {
  await Promise.all(stacks.map((stack) => stack.dispose()));
  await cluster?.stop();
}, 60_000);

async function stackOf(options: TestStackOptions): Promise<TestStack> {
  const stack = await testStack({ ...options, config: { kubeconfig: cluster.kubeconfigPath, ...options.config } });
  stacks.push(stack);
  return stack;
}

/** A program in its own namespace, with `provider` and `namespace` at hand. */
function program(namespace: string, body: string): { typescript: string } {
  return {
    typescript: `import * as pulumi from "@pulumi/pulumi";
import * as k8s from "@pulumi/kubernetes";
const config = new pulumi.Config();
const provider = new k8s.Provider("cluster", { kubeconfig: config.require("kubeconfig"), enableConfigMapMutable: true });
const options = { provider };
const namespace = new k8s.core.v1.Namespace("namespace", { metadata: { name: "${namespace}" } }, options).metadata.name;
${body}`,
  };
}

const read = <T>(apiPath: string): Promise<T | undefined> => cluster.read(apiPath);

async function change(method: "POST" | "PATCH" | "DELETE", apiPath: string, body?: object): Promise<void> {
  const answer = await cluster.request(method, apiPath, body);
  if (answer.status >= 300) {
    throw new Error(`${method} ${apiPath}: ${JSON.stringify(answer.body)}`);
  }
}

async function exists(apiPath: string): Promise<boolean> {
  return (await read(apiPath)) !== undefined;
}

const texts = (outcome: Outcome): string => outcome.messages.map((message) => message.text).join("\n");
const times = (text: string, part: string): number => text.split(part).length - 1;

describe("every kind of object", () => {
  let stack: TestStack;

  beforeAll(async () => {
    stack = await stackOf({ program: path.join(fixtures, "programs", "kinds"), config: { password: { secret: canary } } });
  }, 60_000);

  it("previews, is created, and then has nothing to change", async () => {
    expect(succeeded(await stack.preview()).changeSummary).toEqual({ create: 16 });
    const up = succeeded(await stack.up());
    expect(up.changeSummary).toEqual({ create: 16 });
    expect(up.messages.filter((message) => message.text.includes("stand-in"))).toHaveLength(1);
    // What it says depends on how fast the controllers are; that it says something of workloads while they come up does not.
    const said = up.messages.filter(({ ephemeral, urn }) => ephemeral && /::kubernetes:(apps|batch)\/v1:/.test(urn));
    expect(said.map(({ text }) => text).join("\n")).toMatch(/has not seen it yet|of \d+ (replicas|completions|pods)/);
    expect(Number((await stack.outputs())["ready"])).toBeGreaterThan(0);
    succeeded(await stack.preview({ args: ["--expect-no-changes"] }));
  }, 240_000);

  it("never writes a secret into the state in the clear", async () => {
    const text = await stack.exportText();
    expect(text).toContain("stateful-set");
    expect(text).not.toContain(canary);
    expect(text).not.toContain(Buffer.from(canary).toString("base64"));
  }, 60_000);

  it("changes in place what can be changed", async () => {
    await stack.setConfig({ variant: "b" });
    const expected = [
      ...["create-replacement settings", "delete-replaced settings", "replace settings"],
      ...["cron-job", "daemon-set", "deployment", "node", "secret", "stateful-set", "thing"].map((name) => `update ${name}`),
    ].sort();
    const previewed = succeeded(await stack.preview());
    expect(summary(previewed).filter((step) => !step.endsWith("-test"))).toEqual(expected);
    const up = succeeded(await stack.up());
    expect(summary(up).filter((step) => !step.endsWith("-test"))).toEqual(expected);
    const secret = await read<{ data: object }>("/api/v1/namespaces/kinds/secrets/secret");
    expect(Object.keys(secret?.data ?? {})).toEqual(["password"]);
  }, 240_000);

  it("replaces what cannot: a named object is deleted first, an auto-named one created first", async () => {
    await stack.setConfig({ variant: "c" });
    const up = succeeded(await stack.up());
    const order = (name: string): string[] => up.steps.filter((step) => step.name === name).map((step) => step.op);
    expect(order("daemon-set")).toEqual(["delete-replaced", "replace", "create-replacement"]);
    expect(order("stateful-set")).toEqual(["create-replacement", "replace", "delete-replaced"]);
    succeeded(await stack.preview({ args: ["--expect-no-changes"] }));
  }, 240_000);

  it("reads back what it wrote", async () => {
    const refreshed = succeeded(await stack.refresh());
    expect(refreshed.changeSummary).toEqual({ same: 16 });
    succeeded(await stack.preview({ args: ["--expect-no-changes"] }));
    expect(await stack.exportText()).not.toContain(canary);
  }, 240_000);

  it("leaves nothing behind", async () => {
    const destroyed = succeeded(await stack.destroy());
    expect(destroyed.changeSummary).toEqual({ delete: 16 });
    expect(await exists("/api/v1/namespaces/kinds")).toBe(false);
    expect(await exists("/api/v1/nodes/n1")).toBe(false);
    expect((await stack.export()).deployment.resources ?? []).toEqual([]);
  }, 240_000);
});

describe("what the API server says", () => {
  const bad = {
    "a rule of its kind, where the namespace does not exist yet": [
      `new k8s.apps.v1.DaemonSet("bad", { metadata: { name: "bad", namespace }, spec: { selector: { matchLabels: { a: "x" } },
        template: { metadata: { labels: { a: "y" } }, spec: { containers: [{ name: "c", image: "i" }] } } } }, options);`,
      "`selector` does not match template `labels`",
    ],
    "an unknown field": [
      `new k8s.core.v1.ConfigMap("bad", { metadata: { name: "typo", namespace: "default" }, dta: { a: "1" } } as any, options);
      new k8s.apps.v1.Deployment("bad2", { metadata: { name: "typo", namespace: "default" }, spec: { replicaz: 2 } } as any, options);`,
      "replicaz",
    ],
  };
  it.each(Object.entries(bad))(
    "shows in preview that an object breaks %s, and nothing is created",
    async (_what, [body, message]) => {
      const stack = await stackOf({ program: program("bad-objects", body) });
      const previewed = await stack.preview();
      expect(previewed.code).not.toBe(0);
      expect(texts(previewed)).toContain(message);
      expect(await exists("/api/v1/namespaces/bad-objects")).toBe(false);
    },
    120_000,
  );

  it("refuses to adopt an object that is there, in preview and in update", async () => {
    await change("POST", "/api/v1/namespaces/default/configmaps", { metadata: { name: "somebodys" }, data: { theirs: "1" } });
    const stack = await stackOf({
      program: program(
        "adopting",
        `new k8s.core.v1.ConfigMap("mine", { metadata: { name: "somebodys", namespace: "default" }, data: { ours: "1" } }, options);`,
      ),
    });
    for (const outcome of [await stack.preview(), await stack.up()]) {
      expect(outcome.code).not.toBe(0);
      expect(texts(outcome)).toContain("ConfigMap default/somebodys already exists");
    }
    expect(await read("/api/v1/namespaces/default/configmaps/somebodys")).toMatchObject({ data: { theirs: "1" } });
  }, 120_000);

  it("keeps an object that does not become ready, and the next update goes on with it", async () => {
    const deployment = (node: string): { typescript: string } =>
      program(
        "unready",
        `new k8s.apps.v1.Deployment("slow", { metadata: { name: "slow", namespace }, spec: { selector: { matchLabels: { a: "x" } }, template: { metadata: { labels: { a: "x" } },
          spec: { nodeSelector: ${node}, containers: [{ name: "c", image: "i" }] } } } }, { ...options, customTimeouts: { create: "3s", update: "20s" } });`,
      );
    const stack = await stackOf({ program: deployment(`{ no: "such" }`) });
    const failed = await stack.up();
    expect(failed.code).not.toBe(0);
    expect(texts(failed)).toContain("was created, but it did not become ready");
    expect(texts(failed)).toContain("0/1 nodes are available");
    const kept = (await stack.export()).deployment.resources?.find((resource) => resource.urn.endsWith("::slow"));
    expect(kept).toMatchObject({ id: "unready/slow", initErrors: [expect.stringContaining("not become ready")] });
    const refreshed = succeeded(await stack.refresh());
    expect(texts(refreshed)).toContain("is not ready");
    stack.setProgram(deployment(`{}`).typescript);
    expect(summary(succeeded(await stack.up()))).toContain("update slow");
    succeeded(await stack.preview({ args: ["--expect-no-changes"] }));
  }, 240_000);
});

describe("fields that others manage", () => {
  it("leaves ignored paths as they are: nested, in lists, and at the top", async () => {
    const body = (n: number): string => `const ignoreChanges = ["spec.replicas", "spec.template.spec.containers[0].image"];
      new k8s.apps.v1.Deployment("scaled", { metadata: { name: "scaled", namespace, annotations: { "pulumi.com/skipAwait": "true", n: "${n}" } }, spec: { replicas: ${n}, selector: { matchLabels: { a: "x" } },
        template: { metadata: { labels: { a: "x" } }, spec: { containers: [{ name: "c", image: "i:${n}" }] } } } }, { ...options, ignoreChanges });
      new k8s.core.v1.ConfigMap("lease", { metadata: { name: "lease", namespace, labels: { n: "${n}" } }, data: { holder: "${n}" } }, { ...options, ignoreChanges: ["data"] });`;
    const stack = await stackOf({ program: program("ignored", body(1)) });
    succeeded(await stack.up());
    const deployment = "/apis/apps/v1/namespaces/ignored/deployments/scaled";
    const lease = "/api/v1/namespaces/ignored/configmaps/lease";
    await change("PATCH", `${deployment}?fieldManager=other`, { spec: { replicas: 5 } });
    await change("PATCH", `${lease}?fieldManager=other`, { data: { holder: "other", more: "1" } });
    succeeded(await stack.refresh());
    succeeded(await stack.preview({ args: ["--expect-no-changes"] }));
    stack.setProgram(program("ignored", body(2)).typescript);
    expect(summary(succeeded(await stack.up()))).toEqual(["update lease", "update scaled"]);
    expect(await read(deployment)).toMatchObject({
      metadata: { annotations: { n: "2" } },
      spec: { replicas: 5, template: { spec: { containers: [{ image: "i:1" }] } } },
    });
    expect(await read(lease)).toMatchObject({ metadata: { labels: { n: "2" } }, data: { holder: "other", more: "1" } });
  }, 240_000);

  it("stops at a conflict and takes over only when it is told to", async () => {
    const body = (annotations: string, v: string): string =>
      `new k8s.core.v1.ConfigMap("contended", { metadata: { name: "contended", namespace, annotations: ${annotations} }, data: { v: "${v}" } }, options);`;
    const stack = await stackOf({ program: program("conflict", body("{}", "1")) });
    succeeded(await stack.up());
    await change("PATCH", "/api/v1/namespaces/conflict/configmaps/contended?fieldManager=other", { data: { v: "theirs" } });
    stack.setProgram(program("conflict", body("{}", "2")).typescript);
    for (const outcome of [await stack.preview(), await stack.up()]) {
      expect(outcome.code).not.toBe(0);
      expect(texts(outcome)).toMatch(/conflict.*other[\s\S]*patchForce/);
    }
    stack.setProgram(program("conflict", body(`{ "pulumi.com/patchForce": "true" }`, "2")).typescript);
    succeeded(await stack.up());
    expect(await read("/api/v1/namespaces/conflict/configmaps/contended")).toMatchObject({ data: { v: "2" } });
  }, 240_000);
});

describe("objects that are only read", () => {
  it("reads a Node by its name, and fails for one that is not there", async () => {
    await change("POST", "/api/v1/nodes", { metadata: { name: "theirs", labels: { zone: "z1" } } });
    const stack = await stackOf({
      program: program(
        "reading",
        `const node = k8s.core.v1.Node.get("node", config.require("name"), options); export const zone = node.metadata.labels.zone;`,
      ),
      config: { name: "theirs" },
    });
    succeeded(await stack.up());
    expect(await stack.outputs()).toEqual({ zone: "z1" });
    succeeded(await stack.preview({ args: ["--expect-no-changes"] }));
    await stack.setConfig({ name: "nobodys" });
    const missing = await stack.preview();
    expect(missing.code).not.toBe(0);
    expect(texts(missing)).toMatch(/does not exist|not found/i);
    succeeded(await stack.destroy());
    expect(await exists("/api/v1/nodes/theirs")).toBe(true);
  }, 240_000);
});

describe("the language host", () => {
  it("runs resource hooks, stack transforms, and TypeScript with its options", async () => {
    const body = `const hook = new pulumi.ResourceHook("after", async (args) => { console.log("hook ran after", args.name); });
      pulumi.runtime.registerResourceTransform((args) => args.type !== "kubernetes:core/v1:ConfigMap" ? undefined
        : { props: { ...args.props, data: { stamped: "yes" } }, opts: args.opts });
      enum Colour { Red = "red" }
      const cm = new k8s.core.v1.ConfigMap("cm", { metadata: { name: "cm", namespace } }, { ...options, hooks: { afterCreate: [hook] } });
      export const data = cm.data; export const colour = Colour.Red; export const root = pulumi.getRootDirectory();
      export const heap = require("node:v8").getHeapStatistics().heap_size_limit < 600 * 2 ** 20;`;
    const stack = await stackOf({ program: program("hooks", body) });
    fs.writeFileSync(
      path.join(stack.programFolder, "Pulumi.yaml"),
      "name: inline\nruntime:\n  name: nodejs\n  options:\n    nodeargs: --max-old-space-size=256\n    tsconfig: tsconfig.other.json\n",
    );
    fs.renameSync(path.join(stack.programFolder, "tsconfig.json"), path.join(stack.programFolder, "tsconfig.other.json"));
    const up = succeeded(await stack.up());
    expect(texts(up)).toContain("hook ran after cm");
    expect(await stack.outputs()).toEqual({
      data: { stamped: "yes" },
      colour: "red",
      heap: true,
      root: fs.realpathSync(stack.programFolder),
    });
  }, 120_000);

  it("shows a thrown error, a rejected promise and a RunError once", async () => {
    const stack = await stackOf({ program: program("errors", `throw new Error("thrown at the top");`) });
    const programs: Record<string, string> = {
      "thrown at the top": `throw new Error("thrown at the top");`,
      "a rejected promise": `void Promise.reject(new Error("a rejected promise"));`,
      "an error for users": `throw new pulumi.RunError("an error for users");`,
    };
    for (const [text, body] of Object.entries(programs)) {
      stack.setProgram(program("errors", body).typescript);
      const outcome = await stack.preview();
      expect(outcome.code).not.toBe(0);
      const errors = outcome.messages.filter((message) => message.severity === "error").map((message) => message.text);
      // A stack trace quotes the source line, which holds the text again.
      expect(times(errors.join("\n").replaceAll(body, ""), text)).toBe(1);
    }
  }, 120_000);

  it("runs policy packs, with the stack's configuration", async () => {
    const stack = await stackOf({
      program: program(
        "policies",
        `new k8s.core.v1.ConfigMap("cm", { metadata: { name: "cm", namespace }, data: { word: config.require("word") } }, options);`,
      ),
      config: { word: "good", forbidden: "evil" },
    });
    const args = ["--policy-pack", path.join(fixtures, "policies", "no-marked-values")];
    const good = succeeded(await stack.preview({ args }));
    expect(good.violations).toEqual([expect.objectContaining({ policy: "count", level: "advisory" })]);
    await stack.setConfig({ word: "evil" });
    const bad = await stack.preview({ args });
    expect(bad.code).not.toBe(0);
    expect(bad.violations).toContainEqual(expect.objectContaining({ policy: "no-marked-data", level: "mandatory" }));
    expect(JSON.stringify(bad.violations)).toContain("in stack test");
  }, 120_000);
});

describe("after a kill", () => {
  it("leaves no program behind, and the next update goes on with what the interrupted one made", async () => {
    const body = (wait: string): string => `${wait}
      new k8s.core.v1.ConfigMap("first", { metadata: { name: "first", namespace }, data: { a: "1" } }, options);
      new k8s.apps.v1.Deployment("waiting", { metadata: { name: "waiting", namespace, annotations: { "pulumi.com/skipAwait": config.get("skip") ?? "false" } }, spec: { selector: { matchLabels: { a: "x" } },
        template: { metadata: { labels: { a: "x" } }, spec: { nodeSelector: { no: "such" }, containers: [{ name: "c", image: "i" }] } } } }, options);`;
    const pidFile = `require("node:fs").writeFileSync(process.env.PROGRAM_PID_FILE!, String(process.pid)); setInterval(() => {}, 1000);`;
    const stack = await stackOf({ program: program("killed", body(pidFile)) });
    const file = path.join(stack.folder, "program.pid");
    const running = stack.start("up", { env: { PROGRAM_PID_FILE: file } });
    await eventually("the deployment", () => exists("/apis/apps/v1/namespaces/killed/deployments/waiting"), 60);
    running.process.kill("SIGKILL");
    await running.outcome;
    const pid = Number(fs.readFileSync(file, "utf8"));
    await eventually("the program's end", () => Promise.resolve(!isAlive(pid)), 20);
    await stack.pulumi("cancel", "--yes", stack.stack);

    await stack.setConfig({ skip: "true" });
    stack.setProgram(program("killed", body("")).typescript);
    succeeded(await stack.preview());
    const up = succeeded(await stack.up());
    expect(texts(up)).toContain("was made by an update that was interrupted");
    succeeded(await stack.preview({ args: ["--expect-no-changes"] }));
    expect(fs.readdirSync(path.join(stack.folder, "home", "kubernetes-stand-in", "creates"))).toEqual([]);
    succeeded(await stack.destroy());
    expect(await exists("/api/v1/namespaces/killed")).toBe(false);
  }, 240_000);
});

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}
