/** Routes and islands from a file: the same as from a program, with the lines of what is wrong. */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { stringify } from "yaml";
import { GlooRoutes, type GlooRoutesArgs, Islands, type MeshFile, readMeshFile } from "../../../src";
import { normalizeRoutes, type RoutesSpec } from "../../../src/model/routes";
import { islandGroup, islandNode } from "../../support/island-parts";
import { failureOf, type Recorder, startMocks } from "../../support/mocks";
import { exampleServices } from "../../support/routing";

const text = `# routes of the demo
hosts: [mesh.example.test]
dimensions: { snapshot: { header: x-snap } }
routes:
  - name: prices
    match: &all
      - prefix: /prices
        snapshot: each
    to:
      - service: { service: prices }
  - name: old
    match:
      - { exact: /old }
    to: [{ kubernetes: { name: old, port: 80 } }]
islandTypes:
  - name: cell
    workloads:
      - name: api
        port: 8080
        versions:
          v1: { image: "acme/api:1.0.0", snapshots: [20261121t0600z] }
    routes:
      - { name: api, match: [{ prefix: / }], to: [{ own: api, snapshot: 20261121t0600z }] }
islands:
  - { name: eu, type: cell, match: { prefix: /eu } }
`;
const program: Omit<RoutesSpec, "services"> = {
  hosts: ["mesh.example.test"],
  dimensions: { snapshot: { header: "x-snap" } },
  routes: [
    { name: "prices", match: [{ prefix: "/prices", snapshot: "each" }], to: [{ service: { service: "prices" } }] },
    { name: "old", match: [{ exact: "/old" }], to: [{ kubernetes: { name: "old", port: 80 } }] },
  ],
};

describe("readMeshFile", () => {
  let folder: string;
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), "mesh-"));
  });
  afterEach(() => rmSync(folder, { recursive: true }));
  const written = (content: string): string => {
    const file = join(folder, "mesh.yaml");
    writeFileSync(file, content);
    return file;
  };
  const read = (content: string): MeshFile => readMeshFile(written(content));
  const withoutIslands = ({ islands: _islands, islandTypes: _types, ...rest }: MeshFile): MeshFile => rest;

  it("gives the same model as a program, from YAML and from JSON", () => {
    const wanted = normalizeRoutes("edge", { ...program, services: exampleServices });
    expect(normalizeRoutes("edge", { ...withoutIslands(read(text)), services: exampleServices })).toEqual(wanted);
    expect(normalizeRoutes("edge", { ...read(JSON.stringify(program)), services: exampleServices })).toEqual(wanted);
    expect(normalizeRoutes("edge", { ...read(stringify(program)), services: exampleServices })).toEqual(wanted);
  });

  it.each([
    ["a key that nobody knows", text.replace("islands:", "iland:"), /mesh\.yaml: mesh\.yaml:24: iland: "iland" is not allowed: .*islands/],
    ["what is no YAML", text.replace("    to:\n", "   to:\n"), /mesh\.yaml: 9 is not allowed: line of a YAML file: /],
    ["a key that is there twice", `${text}hosts: []\n`, /26 is not allowed: line of a YAML file: Map keys must be unique/],
    ["a list", "- a\n", /is not allowed: an object with hosts, /],
  ])("refuses %s with the line", (_what, content, message) => {
    expect(failureOf(() => read(content))).toMatch(message);
  });

  it("throws where there is no such file", () => {
    expect(() => readMeshFile(join(folder, "none.yaml"))).toThrow("ENOENT");
  });

  describe("in components", () => {
    let recorder: Recorder;
    beforeEach(async () => {
      recorder = await startMocks();
    });
    afterEach(() => recorder.settle());

    const islandsOf = ({ islandTypes = [], islands = [] }: MeshFile): Islands =>
      new Islands("cells", { namespace: "mesh", islandTypes, islands, nodes: [islandNode], snapshotGroups: [islandGroup] });
    const routesOf = (file: MeshFile, more: Partial<GlooRoutesArgs> = {}): GlooRoutes =>
      new GlooRoutes("edge", { ...file, namespace: "mesh", services: exampleServices, ...more });

    it("deploys workloads and routes", async () => {
      const file = read(text);
      const cells = islandsOf(file);
      const edge = routesOf(file, { services: [...exampleServices, ...cells.facts] });
      await recorder.settle(edge);
      expect(cells.facts.map(({ name }) => name)).toEqual(["eu-api"]);
      expect(edge.facts.routes.map(({ name }) => name)).toEqual(expect.arrayContaining(["eu-api", "old", "prices-s1", "prices-s2"]));
    });

    it.each<[string, string, string]>([
      [
        "a route",
        text.replace("name: old, port: 80", "name: old, prt: 80"),
        'glooRoutes "edge": mesh.yaml:14: routes[1].to[0].kubernetes.prt: "prt"',
      ],
      ["a match of several lines", text.replace("prefix: /prices", "prefix: prices"), "mesh.yaml:7: routes[0].match[0].prefix: "],
      ["what is missing", text.replace("    match:\n      - { exact: /old }\n", ""), "mesh.yaml:11: routes[1].match: nothing"],
      ["an island", text.replace("prefix: /eu", "prefix: eu"), "mesh.yaml:25: islands[0].match.prefix: "],
    ])("names the line of %s", (_what, content, message) => {
      expect(failureOf(() => routesOf(read(content)))).toContain(message);
    });

    it("names the line of the instance of a wrong workload", () => {
      expect(failureOf(() => islandsOf(read(text.replace("port: 8080", "port: 0"))))).toContain(
        'islands "cells": mesh.yaml:25: islands[0] (eu), type cell: workloads[0].port: 0 is not allowed',
      );
    });

    it("names no line of what comes from the program", () => {
      const { routes: _routes, ...file } = withoutIslands(read(text));
      const message = failureOf(() => routesOf({ ...file, routes: [{ name: "X", match: [{}] }] }));
      expect(message).toContain('glooRoutes "edge": routes[0].name: "X"');
      expect(message).not.toContain("mesh.yaml");
    });
  });
});
