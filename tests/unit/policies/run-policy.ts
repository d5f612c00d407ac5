/** Calls policies the way the policy runner does, with hand-made resources. */
import type { PolicyResource, ResourceValidationArgs, ResourceValidationPolicy, StackValidationPolicy } from "@pulumi/policy";

/** A resource as a test writes it; what is left out gets a default. */
export interface GivenResource {
  type: string;
  name?: string;
  props?: Record<string, unknown>;
  protect?: boolean;
}

/** One reported violation. */
export interface Violation {
  message: string;
  urn?: string;
}

const nothing = { stackTags: new Map<string, string>() };

/** What a policy reports for some resources: for each alone, or for all of them as one stack. */
export async function violationsOf(
  policy: ResourceValidationPolicy | StackValidationPolicy,
  given: readonly GivenResource[],
  config: object = {},
): Promise<Violation[]> {
  const found: Violation[] = [];
  const report = (message: string, urn?: string): void => void found.push({ message, urn });
  const notApplicable = (): never => {
    throw new Error("not applicable");
  };
  const more = { ...nothing, notApplicable, getConfig: <T extends object>(): T => config as T };
  if ("validateStack" in policy) {
    await policy.validateStack({ ...more, resources: stackOf(given) }, report);
    return found;
  }
  for (const resource of given) {
    const args: ResourceValidationArgs = { ...more, ...plain(resource), isType: () => false, asType: () => undefined };
    for (const validate of [policy.validateResource ?? []].flat()) {
      await validate(args, report);
    }
  }
  return found;
}

export function urnOf(resource: GivenResource): string {
  return `urn:pulumi:stack::project::${resource.type}::${resource.name ?? "it"}`;
}

function plain(resource: GivenResource): Pick<PolicyResource, "type" | "name" | "urn" | "props" | "opts"> {
  const customTimeouts = { createSeconds: 0, updateSeconds: 0, deleteSeconds: 0 };
  return {
    type: resource.type,
    name: resource.name ?? "it",
    urn: urnOf(resource),
    props: resource.props ?? {},
    opts: { protect: resource.protect ?? false, ignoreChanges: [], aliases: [], additionalSecretOutputs: [], customTimeouts },
  };
}

function stackOf(given: readonly GivenResource[]): PolicyResource[] {
  const more = { isType: () => false, asType: () => undefined, dependencies: [], propertyDependencies: {} };
  return given.map((resource) => ({ ...plain(resource), ...more }));
}
