/** The stack `local` of this repository as a test sees it: its own configuration, with edits, on a test cluster. */
import * as fs from "node:fs";
import * as path from "node:path";
import { parse } from "yaml";
import { projectRoot } from "../../tools/paths";
import type { TestCluster } from "./cluster";
import { type TestStack, testStack } from "./pulumi";

/** The `mesh` object of stacks/Pulumi.local.yaml, for tests to edit; untyped, because tests also write what is wrong. */
export type MeshConfig = any;

const stackFile = path.join(projectRoot, "stacks", "Pulumi.local.yaml");

/** A fresh copy of the mesh that the stack `local` describes. */
export function localMesh(): MeshConfig {
  const { config } = parse(fs.readFileSync(stackFile, "utf8")) as { config: Record<string, MeshConfig> };
  // No structuredClone: in jest its lists are of another realm, and Pulumi, which asks `instanceof Array`, would take them for objects.
  return config["compute-mesh:mesh"];
}

/** A stack of this repository's program on a test cluster. */
export async function localStack(cluster: TestCluster, mesh: MeshConfig = localMesh(), env: NodeJS.ProcessEnv = {}): Promise<TestStack> {
  const stack = await testStack({ program: projectRoot, stack: "local", stackFile, env });
  await stack.setConfig({ cloud: JSON.stringify({ local: { cluster: "test", kubeconfigPath: cluster.kubeconfigPath } }) });
  await setMesh(stack, mesh);
  return stack;
}

export async function setMesh(stack: TestStack, mesh: MeshConfig): Promise<void> {
  await stack.setConfig({ mesh: JSON.stringify(mesh) });
}

/** A node like the others of the stack. */
export function meshNode(zone: string): MeshConfig {
  return { spec: { zone, cpu: "8", memory: "32Gi" } };
}
