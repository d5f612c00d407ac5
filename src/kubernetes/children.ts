import * as pulumi from "@pulumi/pulumi";
import { MeshInputError } from "../model/errors";

/**
 * Changes one child just before it is created: edit `args` and `opts` in place, or return new ones.
 *
 * For what the typed args of a component did not think of.
 */
export type ChildTransform<Args> = (
  args: Args,
  opts: pulumi.CustomResourceOptions,
) => { args?: Args; opts?: pulumi.CustomResourceOptions } | void;

// The args of generated classes are optional; without `| undefined` here they would be inferred so, and no transform would fit.
type ChildClass<Args, R> = new (name: string, args: Args | undefined, opts?: pulumi.CustomResourceOptions) => R;

/** Creates one child of a component, after the user's transform of that child. */
export function createChild<Args, R extends pulumi.Resource>(
  type: ChildClass<Args, R>,
  name: string,
  args: Args,
  opts: pulumi.CustomResourceOptions & { parent: pulumi.Resource },
  transform?: ChildTransform<Args>,
): R {
  const changed = transform?.(args, opts) ?? {};
  return new type(name, changed.args ?? args, changed.opts ?? opts);
}

/**
 * Runs the `normalize…` step of a component: an input error stops the program with its message and without a stack trace.
 *
 * @throws pulumi.ResourceError with every problem of the args
 */
export function orFail<T>(resource: pulumi.Resource, normalize: () => T): T {
  try {
    return normalize();
  } catch (error) {
    if (error instanceof MeshInputError) {
      throw new pulumi.ResourceError(error.message, resource, true);
    }
    throw error;
  }
}

/** Options that keep data: `protect` stops a delete or a replacement, `retainOnDelete` leaves the object when the stack goes. */
export interface DataProtection {
  /** Refuse to delete or replace what holds data. Default: true. */
  protect?: boolean;
  /** Leave the Kubernetes object in place when it leaves the stack. Default: false. */
  retainOnDelete?: boolean;
}

/** The resource options of a data-bearing child. Pulumi passes neither from a component's own args, so it is done here. */
export function dataOptions(protection: DataProtection | undefined): pulumi.CustomResourceOptions {
  return { protect: protection?.protect ?? true, retainOnDelete: protection?.retainOnDelete ?? false };
}

/**
 * Annotation of a Service whose workload is waited for itself. Pulumi would wait for an endpoint as well, and where the workload does not come
 * (because another resource has failed), a failed update would stand still for the ten minutes of that wait.
 */
export const serviceWithoutWait: Readonly<Record<string, string>> = { "pulumi.com/skipAwait": "true" };

/** Annotations of a workload: none where an update is to wait until its pods are ready, else the one that tells Pulumi to go on at once. */
export function waitAnnotations(awaitReady: boolean): { annotations?: Record<string, string> } {
  return awaitReady ? {} : { annotations: { "pulumi.com/skipAwait": "true" } };
}
