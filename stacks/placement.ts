/**
 * What the shards of a stack are placed on, as JSON: for `npm run placement`, which needs neither a cluster nor the Pulumi CLI.
 *
 *     node -r ts-node/register stacks/placement.ts <stack>
 *
 * Ends with the messages of the configuration on stderr and code 1 where it is wrong.
 */
import * as fs from "node:fs";
import * as path from "node:path";
import { parse } from "yaml";
import { model } from "../src";
import { placementRequestOf } from "../src/components/compute-mesh-placement";
import { normalizeComputeMesh } from "../src/components/compute-mesh-plan";
import { readStackSettings } from "./config";

const prefix = "compute-mesh:";

function read(stack: string): { request: model.PlacementRequest; lock?: string } {
  const file = path.join(__dirname, `Pulumi.${stack}.yaml`);
  if (!fs.existsSync(file)) {
    throw new model.MeshInputError("npm run placement", [{ path: "stack", given: stack, allowed: `there is no ${file}` }]);
  }
  const { config } = parse(fs.readFileSync(file, "utf8")) as { config: Record<string, unknown> };
  const values = Object.entries(config)
    .filter(([key]) => key.startsWith(prefix))
    .map(([key, value]) => [key.slice(prefix.length), typeof value === "string" ? value : JSON.stringify(value)] as const);
  const { name, args } = readStackSettings(Object.fromEntries(values), { stack, offline: true });
  const { lock, ...shards } = args.shards;
  // Whether the lock file is right is for the command to say.
  const { facts } = normalizeComputeMesh(name, { ...args, shards });
  const names = facts.map((node) => node.name);
  return { request: placementRequestOf(args, names, facts), ...(lock === undefined ? {} : { lock: lock.path }) };
}

try {
  process.stdout.write(`${JSON.stringify(read(process.argv[2] ?? "local"))}\n`);
} catch (error) {
  if (!(error instanceof model.MeshInputError)) {
    throw error;
  }
  process.stderr.write(`${error.message}\n`);
  process.exitCode = 1;
}
