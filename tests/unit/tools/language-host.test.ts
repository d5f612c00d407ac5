import * as fs from "node:fs";
import * as os from "node:os";
import * as path from "node:path";
import fc from "fast-check";
import { AnalyzerStackConfigureRequest } from "@pulumi/pulumi/proto/analyzer_pb";
import { ProgramInfo, RunRequest } from "@pulumi/pulumi/proto/language_pb";
import { start } from "../../../tools/language-host/children";
import { directPackages, locate, visiblePackages } from "../../../tools/language-host/locate";
import { parseEnvironment, runtimeOptions, splitWords } from "../../../tools/language-host/options";
import { pluginOf } from "../../../tools/language-host/packages";
import { portReader, stackEnvironment } from "../../../tools/language-host/policy-proxy";
import { runnerArgs } from "../../../tools/language-host/run";
import { engineAddressFromArgs } from "../../../tools/plugin/serve";

describe("runtime options", () => {
  it("default to TypeScript and npm", () => {
    expect(runtimeOptions({})).toEqual({ nodeArgs: [], packageManager: "npm", environment: { PULUMI_NODEJS_TYPESCRIPT: "true" } });
  });

  it("are handed on to the SDK's runner", () => {
    expect(
      runtimeOptions({
        typescript: false,
        tsconfig: "a/tsconfig.json",
        nodeargs: "--trace-warnings --max-old-space-size=512",
        packagemanager: "pnpm",
      }),
    ).toEqual({
      nodeArgs: ["--trace-warnings", "--max-old-space-size=512"],
      packageManager: "pnpm",
      environment: { PULUMI_NODEJS_TSCONFIG_PATH: "a/tsconfig.json" },
    });
  });

  it("keep quoted words together", () => {
    expect(splitWords(`--require "a b.js" --title='x y' z`)).toEqual(["--require", "a b.js", "--title=x y", "z"]);
    fc.assert(
      fc.property(fc.array(fc.stringMatching(/^[a-z= -]{1,8}$/)), (words) =>
        expect(splitWords(words.map((word) => `"${word}"`).join(" "))).toEqual(words),
      ),
    );
  });
});

describe("environment pairs", () => {
  it("keep every = after the first", () => {
    expect(parseEnvironment(["A=1", "B=x=y", "C=", "D"])).toEqual({ A: "1", B: "x=y", C: "", D: "" });
  });
});

describe("the runner's arguments", () => {
  it("name the monitor as it is, leave out what is empty, and end with the program and its arguments", () => {
    const info = new ProgramInfo().setProgramDirectory("/p").setRootDirectory("/r").setEntryPoint("index.ts");
    const request = new RunRequest()
      .setInfo(info)
      .setMonitorAddress("127.0.0.1:1")
      .setProject("p")
      .setStack("s")
      .setParallel(4)
      .setDryrun(true)
      .setArgsList(["x"]);
    expect(runnerArgs(request, "127.0.0.1:2")).toEqual([
      ...["--monitor", "127.0.0.1:1", "--engine", "127.0.0.1:2", "--project", "p", "--root-directory", "/r", "--stack", "s", "--pwd", "/p"],
      ...["--parallel", "4", "--dry-run", "index.ts", "x"],
    ]);
  });

  it("find the engine's address behind its flags", () => {
    expect(engineAddressFromArgs(["-logtostderr", "--tracing=x", "127.0.0.1:5"])).toBe("127.0.0.1:5");
    expect(engineAddressFromArgs([])).toBe("");
  });
});

describe("a policy pack's output", () => {
  const read = (...chunks: string[]): { port: string[]; rest: string } => {
    const port: string[] = [];
    let rest = "";
    const sink = portReader(
      (found) => port.push(found),
      (chunk) => (rest += chunk.toString()),
    );
    chunks.forEach((chunk) => sink(Buffer.from(chunk)));
    return { port, rest };
  };

  it("gives its port wherever the chunks are cut, and everything else on", () => {
    const text = "loading 12\n\n4321\nlog 7\n99\n";
    fc.assert(
      fc.property(fc.array(fc.nat(text.length)), (cuts) => {
        const at = [0, ...cuts.sort((a, b) => a - b), text.length];
        expect(read(...at.slice(1).map((end, index) => text.slice(at[index], end)))).toEqual({
          port: ["4321"],
          rest: "loading 12\n\nlog 7\n99\n",
        });
      }),
    );
  });

  it("gets its stack by environment", () => {
    const request = new AnalyzerStackConfigureRequest()
      .setStack("s")
      .setProject("p")
      .setOrganization("o")
      .setDryRun(true)
      .setConfigSecretKeysList(["p:a"]);
    request.getConfigMap().set("p:a", "1");
    expect(stackEnvironment(request)).toEqual({
      PULUMI_NODEJS_ORGANIZATION: "o",
      PULUMI_NODEJS_PROJECT: "p",
      PULUMI_NODEJS_STACK: "s",
      PULUMI_NODEJS_DRY_RUN: "true",
      PULUMI_CONFIG: '{"p:a":"1"}',
      PULUMI_CONFIG_SECRET_KEYS: '["p:a"]',
    });
  });
});

describe("packages", () => {
  let root: string;
  const write = (folder: string, manifest: object): void => {
    fs.mkdirSync(path.join(root, folder), { recursive: true });
    fs.writeFileSync(path.join(root, folder, "package.json"), JSON.stringify(manifest));
  };

  beforeAll(() => {
    root = fs.mkdtempSync(path.join(os.tmpdir(), "compute-mesh-packages-"));
    write(".", { name: "program", dependencies: { "@x/a": "*" }, devDependencies: { b: "*", missing: "*" } });
    write("node_modules/@x/a", {
      name: "@x/a",
      version: "1.0.0",
      pulumi: { resource: true, name: "a", version: "v2.0.0", server: "https://example.com" },
    });
    write("node_modules/b", { name: "b", version: "1.0.0" });
    write("node_modules/c", { name: "c", version: "1.0.0" });
    write("stack/node_modules/c", { name: "c", version: "2.0.0" });
  });
  afterAll(() => fs.rmSync(root, { recursive: true, force: true }));

  it("are found in every node_modules above the program, the nearest first", () => {
    const versions = (folder: string): string[] =>
      visiblePackages(path.join(root, folder)).map(({ name, version }) => `${name} ${version}`);
    expect(versions("stack")).toEqual(expect.arrayContaining(["@x/a 1.0.0", "b 1.0.0", "c 2.0.0"]));
    expect(versions(".")).toContain("c 1.0.0");
    expect(directPackages(path.join(root, "stack")).map(({ name }) => name)).toEqual(["@x/a", "b"]);
  });

  it("name their plugin where they have one", () => {
    const plugin = visiblePackages(root).flatMap((manifest) => pluginOf(manifest) ?? []);
    expect(plugin.map((each) => each.toObject())).toMatchObject([
      { name: "a", kind: "resource", version: "v2.0.0", server: "https://example.com" },
    ]);
  });

  it("are missed with a remedy", () => {
    expect(() => locate("@pulumi/pulumi/cmd/run", root, "`npm install`")).toThrow(/is not installed in .*: run `npm install`/);
  });
});

describe("children", () => {
  const child = (script: string, out: string[] = []) =>
    start({
      command: process.execPath,
      args: ["-e", script],
      cwd: os.tmpdir(),
      environment: process.env,
      stdout: (chunk) => out.push(chunk.toString()),
      stderr: () => {},
    });

  it("give their exit code after all their output", async () => {
    const out: string[] = [];
    expect(await child(`process.stdout.write("x".repeat(200000)); process.exitCode = 7`, out).code).toBe(7);
    expect(out.join("")).toHaveLength(200_000);
  });

  it("are stopped, also those that do not listen", async () => {
    const out: string[] = [];
    const stubborn = child(`process.on("SIGINT", () => {}); setInterval(() => {}, 1000); console.log("up")`, out);
    while (out.length === 0) {
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
    stubborn.stop(50);
    expect(await stubborn.code).toBe(128);
  });
});
