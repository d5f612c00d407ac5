/**
 * States of earlier releases and the code of today: an update of the library replaces and deletes nothing in a stack that is there.
 *
 * The states were exported from the stacks as they came up with that release. `RECORD_UPGRADE=<release> npx jest -c jest.config.js --selectProjects engine
 * --runTestsByPath tests/engine/upgrades.test.ts` records those of a new one; an old one is never recorded anew.
 */
import * as fs from "node:fs";
import * as path from "node:path";
import { gunzipSync, gzipSync } from "node:zlib";
import { projectRoot } from "../../tools/paths";
import { cloudConfig, type CloudConfig, cloudStack } from "../support/cloud-stacks";
import { type PlayedCloud, playedCloud } from "../support/played-cloud";
import type { ExportedState } from "../support/pulumi";
import { succeeded } from "../support/pulumi-events";

/** What a fixture holds: the configuration of that time, and the state. */
interface Recorded {
  config: CloudConfig;
  state: ExportedState;
}

const folder = path.join(projectRoot, "tests", "fixtures", "upgrades");
const fixtures = fs.existsSync(folder) ? fs.readdirSync(folder).filter((name) => name.endsWith(".json.gz")) : [];
const clouds: PlayedCloud[] = [];

afterAll(async () => {
  await Promise.all(clouds.map((cloud) => cloud.dispose()));
}, 60_000);

function newCloud(): PlayedCloud {
  const cloud = playedCloud();
  clouds.push(cloud);
  return cloud;
}

const release = process.env["RECORD_UPGRADE"];
if (release !== undefined) {
  it.each(["aws", "gcp", "azure"])(
    "records the stack %s",
    async (name) => {
      const config = cloudConfig(name);
      const stack = await cloudStack(newCloud(), name, config);
      succeeded(await stack.up());
      const recorded: Recorded = { config, state: await stack.export() };
      fs.mkdirSync(folder, { recursive: true });
      fs.writeFileSync(path.join(folder, `${name}-${release}.json.gz`), gzipSync(JSON.stringify(recorded)), { flag: "wx" });
    },
    180_000,
  );
}

describe("a stack of an earlier release", () => {
  it("is there for every cloud", () => {
    expect([...new Set(fixtures.map((name) => name.split("-")[0]))].sort()).toEqual(["aws", "azure", "gcp"]);
  });

  it.each(fixtures)(
    "%s loses nothing to the code of today",
    async (file) => {
      const { config, state } = JSON.parse(gunzipSync(fs.readFileSync(path.join(folder, file))).toString()) as Recorded;
      const cloud = newCloud();
      const stack = await cloudStack(cloud, file.split("-")[0] ?? "", config);
      const resources = state.deployment.resources ?? [];
      // What the state says is there is there: look-ups of the cloud find it.
      for (const { type, id, custom, inputs = {}, outputs = {} } of resources) {
        if (custom && id !== undefined && !/^(pulumi|kubernetes):/.test(type)) {
          cloud.give(type, id, { inputs: inputs as never, outputs: outputs as never });
        }
      }
      await stack.import(state);
      const { steps, unchanged } = succeeded(await stack.preview());
      expect(steps.filter(({ op }) => op !== "update" && op !== "create").map(({ op, name }) => `${op} ${name}`)).toEqual([]);
      const seen = new Set([...steps, ...unchanged].map(({ urn }) => urn));
      expect(resources.filter(({ urn }) => !seen.has(urn)).map(({ urn }) => urn)).toEqual([]);
    },
    180_000,
  );
});
