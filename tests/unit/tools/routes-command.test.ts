import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Problems } from "../../../src/model/errors";
import { checkHostOwners, type HostOwner } from "../../../src/model/route-owners";
import { routesCommand, specsOfState } from "../../../tools/routes-command";

const file = `
hosts: [mesh.example.test]
services: []
routes:
  - { name: old, match: [{ prefix: /old }], to: [{ kubernetes: { name: old, port: 80 } }] }
`;

describe("npm run routes", () => {
  let folder: string;
  let output: string[];
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), "routes-"));
    output = [];
    for (const stream of [process.stdout, process.stderr]) {
      jest.spyOn(stream, "write").mockImplementation((text) => output.push(String(text)) > 0);
    }
  });
  afterEach(() => {
    jest.restoreAllMocks();
    rmSync(folder, { recursive: true });
  });
  const written = (name: string, text: string): string => {
    writeFileSync(join(folder, name), text);
    return join(folder, name);
  };

  it("explains a request by the routes of a file", async () => {
    expect(await routesCommand(["explain", "GET https://mesh.example.test/old/x", "--file", written("mesh.yaml", file)])).toBe(0);
    expect(output.join("")).toContain("rule old takes it: /old → Service old:80\n");
  });

  it("draws a picture", async () => {
    expect(await routesCommand(["picture", "--file", written("mesh.yaml", file)])).toBe(0);
    expect(output.join("")).toMatch(/^<svg .*<\/svg>\n$/s);
  });

  it("reports findings with exit code 1", async () => {
    expect(await routesCommand(["check", "--file", written("mesh.yaml", file)])).toBe(0);
    const bad = file.replace("to:", "timeout: 1, to:");
    expect(await routesCommand(["check", "--file", written("bad.yaml", bad)])).toBe(1);
    expect(output.join("")).toContain('error: routes[0].timeout: "timeout" is not allowed: unknown key');
  });

  it("finds the routes in the state of a stack", () => {
    const resources = [
      { type: "pulumi:pulumi:Stack" },
      { type: "compute-mesh:index:GlooRoutes", inputs: { hosts: ["a.test"], services: [], routes: [], namespace: "mesh" } },
    ];
    const state = written("local.json", JSON.stringify({ version: 3, checkpoint: { latest: { resources } } }));
    expect(specsOfState(state)).toEqual([expect.objectContaining({ hosts: ["a.test"] })]);
    expect(() => specsOfState(written("empty.json", "{}"))).toThrow("has no compute-mesh:index:GlooRoutes");
    expect(() => specsOfState(join(folder, "none.json"))).toThrow("npm start deploys the stack local");
  });

  it("finds a host with two owners at one gateway", () => {
    const owned = (name: string, gateway: string): HostOwner => ({ name, gateway, hosts: ["*.a.test", "b.test"] });
    const problems = new Problems("routes");
    checkHostOwners(problems, [
      owned("one", "infra/gw"),
      owned("two", "infra/other"),
      { ...owned("three", "infra/gw"), hosts: ["x.a.test", "b.test"] },
    ]);
    expect(problems.all).toEqual([
      {
        path: "three.hosts",
        given: '"b.test"',
        allowed: "one owner for each host is allowed; at the gateway infra/gw one has it, and both would take GET http://b.test/",
      },
    ]);
  });

  it.each([[[]], [["explain"]], [["picture", "x"]], [["paint"]], [["check", "--target", "nginx"]], [["check", "--colour"]]])(
    "answers wrong words with its usage: %j",
    async (words) => {
      expect(await routesCommand(words)).toBe(2);
      expect(output.join("")).toContain("usage: npm run routes");
    },
  );
});
