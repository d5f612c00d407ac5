/** The stacks `aws`, `gcp` and `azure` of this repository on a cloud that is only played. */
import * as fs from "node:fs";
import * as path from "node:path";
import { parse } from "yaml";
import { projectRoot } from "../../tools/paths";
import type { PlayedCloud } from "./played-cloud";
import type { ExportedResource, ExportedState, TestStack } from "./pulumi";

/** `cloud` and `mesh` of a stack file, for tests to edit; untyped, because tests also write what is wrong. */
export interface CloudConfig {
  cloud: any;
  mesh: any;
}

const stackFile = (stack: string): string => path.join(projectRoot, "stacks", `Pulumi.${stack}.yaml`);

/** A fresh copy of what a stack file says. */
export function cloudConfig(stack: string): CloudConfig {
  const { config } = parse(fs.readFileSync(stackFile(stack), "utf8")) as { config: Record<string, any> };
  return { cloud: config["compute-mesh:cloud"], mesh: config["compute-mesh:mesh"] };
}

/** A stack of this repository's program on a played cloud. */
export async function cloudStack(cloud: PlayedCloud, name: string, config: CloudConfig = cloudConfig(name)): Promise<TestStack> {
  const stack = await cloud.stack({ program: projectRoot, stack: name, stackFile: stackFile(name) });
  await configure(stack, config);
  return stack;
}

export async function configure(stack: TestStack, { cloud, mesh }: CloudConfig): Promise<void> {
  await stack.setConfig({ cloud: JSON.stringify(cloud), mesh: JSON.stringify(mesh) });
}

/** Last part of a URN: the resource's own name. */
export const nameOf = (urn: string): string => urn.split("::").at(-1) ?? "";

/** The resources of an exported state that belong to a package, for example `aws`. */
export function resourcesOf(state: ExportedState, packageName: string): ExportedResource[] {
  return (state.deployment.resources ?? []).filter(({ type }) => type.startsWith(`${packageName}:`));
}
