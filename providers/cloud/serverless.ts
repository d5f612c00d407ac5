/** Serverless functions as destinations of routes: plain names, compared with the resource as soon as that is known. */
import * as pulumi from "@pulumi/pulumi";
import { MeshInputError, Problems } from "../../src/model/errors";

/**
 * Stops the update where a resource is called otherwise than the destination that was made for it.
 *
 * @param subject for messages, for example `lambdaDestination "scale"`
 * @param given what the destination says
 * @param found what the resource says
 */
export function sameNames<K extends string>(
  subject: string,
  given: Readonly<Record<K, string>>,
  found: pulumi.Output<Partial<Record<K, string>>>,
): void {
  found.apply((actual) => {
    const problems = new Problems(subject);
    for (const [key, value] of Object.entries<string>(given)) {
      const other: unknown = (actual as Partial<Record<string, string>>)[key];
      if (other !== undefined && other !== value) {
        problems.add(key, value, `the resource says ${JSON.stringify(other)}`);
      }
    }
    if (problems.any) {
      // RunError is printed without a stack trace, wherever in an Output it is thrown.
      throw new pulumi.RunError(new MeshInputError(subject, problems.all).message);
    }
  });
}
