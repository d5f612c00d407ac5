import { readFileSync } from "node:fs";
import { join } from "node:path";
import { policies } from "../../../policy-packs/compute-mesh/src/policies";
import { VersionedService } from "../../../src/components/versioned-service";
import { dataLabel } from "../../../src/kubernetes/labels";
import { startMocks } from "../../support/mocks";
import { fixtures } from "./fixtures";
import { urnOf, violationsOf, type GivenResource } from "./run-policy";

const readme = readFileSync(join(__dirname, "../../../policy-packs/compute-mesh/README.md"), "utf8");

/** Cells of the README's table by policy. */
const rows = new Map(
  readme
    .split("\n")
    .filter((line) => line.startsWith("| `"))
    .map((line) => line.split("|").map((cell) => cell.trim()))
    .map((cells) => [cells[1]?.replaceAll("`", ""), cells]),
);

describe.each(policies)("policy $name", (policy) => {
  const own = fixtures[policy.name] ?? [];
  const named = own.map((fixture) => ({ ...fixture, verdict: fixture.messages.length === 0 ? "accepts" : "refuses" }));

  it.each(named)("$verdict $title", async ({ resources, config, messages }) => {
    const found = await violationsOf(policy, resources, config);
    expect(found.map(({ message }) => message)).toEqual(messages.map((part) => expect.stringContaining(part) as string));
  });

  it("has a good and a bad fixture", () => {
    expect(own.some(({ messages }) => messages.length === 0)).toBe(true);
    expect(own.some(({ messages }) => messages.length > 0)).toBe(true);
  });

  it("says what it is for and how to mend it, and leaves its level to the pack", () => {
    expect(policy.name).toMatch(/^[a-z][a-z-]+$/);
    expect(policy.displayName).toBeTruthy();
    expect(policy.description).toMatch(/\.$/);
    expect(policy.remediationSteps).toMatch(/\.$/);
    expect(["low", "medium", "high", "critical"]).toContain(policy.severity);
    expect(policy.tags).toContain("compute-mesh");
    expect(policy.enforcementLevel).toBeUndefined();
  });

  it("has a row in the README with its severity and its settings", () => {
    const cells = rows.get(policy.name);
    expect(cells?.[4]).toBe(policy.severity);
    const settings = Object.entries(policy.configSchema?.properties ?? {}).map(
      ([key, schema]) => `\`${key}\` (${JSON.stringify(schema.default)})`,
    );
    expect(cells?.[5]).toBe(settings.join(", "));
  });
});

describe("the policy pack", () => {
  it("has a row in the README for its own policies only, in their order", () => {
    expect([...rows.keys()]).toEqual(policies.map(({ name }) => name));
  });

  it("has fixtures for its own policies only", () => {
    expect(Object.keys(fixtures)).toEqual(policies.map(({ name }) => name));
  });

  it("names the database where a stack policy is violated, because the CLI panics without a URN", async () => {
    const database: GivenResource = { type: "compute-mesh:index:LocalDbDaemonSet", name: "db" };
    for (const policy of policies.filter((candidate) => "validateStack" in candidate)) {
      expect((await violationsOf(policy, [database])).map(({ urn }) => urn)).toEqual([urnOf(database)]);
    }
  });

  it("knows data by the label that the components set", async () => {
    const resource = { type: "kubernetes:core/v1:Secret", props: { metadata: { labels: { [dataLabel]: "credentials" } } } };
    const [policy] = policies.filter(({ name }) => name === "protected-data");
    expect(await violationsOf(policy, [resource])).toHaveLength(1);
  });

  it("accepts every object of a VersionedService", async () => {
    const recorder = await startMocks();
    const node = {
      name: "node-a",
      zone: "za",
      region: "eu",
      cluster: "one",
      provider: "local",
      weight: 1,
      selector: {},
      labels: {},
      taints: [],
    };
    const snapshots = ["20261121t1200z"];
    const service = new VersionedService("prices", {
      namespace: "demo",
      nodes: [node],
      port: 8080,
      snapshotGroup: { name: "hourly", schedule: "0 * * * *", storeKind: "nfs", settingsName: "hourly", snapshots },
      versions: { v1: { image: "acme/prices:1", snapshots } },
      placement: { statefulSet: { replicas: 1 } },
    });
    await recorder.settle(service);
    const resources = recorder.resources.map(({ type, name, inputs, options }) => ({
      type,
      name,
      props: inputs,
      protect: options.protect,
    }));
    for (const policy of policies) {
      expect(await violationsOf(policy, resources)).toEqual([]);
    }
  });
});
