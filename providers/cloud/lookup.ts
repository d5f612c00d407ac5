/** Looking for what is to be adopted. */
import * as pulumi from "@pulumi/pulumi";
import { MeshInputError, Problems } from "../../src/model/errors";

/**
 * The answer of a look-up, or an error that names the property which led to it. Look-ups run in preview, so what is not there stops it before anything is
 * created.
 *
 * @param look starts the look-up; its failure becomes a RunError, which is printed without a stack trace
 */
export function lookUp<T>(
  subject: string,
  path: string,
  given: string,
  what: string,
  look: () => Promise<T>,
): pulumi.Output<pulumi.Unwrap<T>> {
  return pulumi.output(
    look().catch((error: unknown) => {
      throw notFound(subject, path, given, what, error);
    }),
  );
}

/** What is said where a look-up failed with `error`. */
export function notFound(subject: string, path: string, given: string, what: string, error: unknown): pulumi.RunError {
  const problems = new Problems(subject);
  const reason = (error instanceof Error ? error.message : String(error)).replace(/\s+/g, " ").trim();
  problems.add(path, given, `${what} of this name was not found, or you may not see it (${reason})`);
  return new pulumi.RunError(new MeshInputError(subject, problems.all).message);
}
