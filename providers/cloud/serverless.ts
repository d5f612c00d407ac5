/** Serverless functions as destinations of routes: plain names, compared with the resource as soon as that is known. */
import * as pulumi from "@pulumi/pulumi";
import { MeshInputError, Problems } from "../../src/model/errors";

/** A destination of routes. */
export interface ServerlessHandle<Destination> {
  /** A member of a route's `to`, for example `{ lambda: handle.destination }`; plain, because routes are checked before anything is made. */
  destination: Destination;
  /** `dependsOn` of the routes, so that none leads to a function that is not there; empty where the function is there already. */
  dependsOn: pulumi.Resource[];
}

/**
 * A destination from plain names. Where its resource is given, the update stops if that turns out to be called otherwise.
 *
 * @param subject for messages, for example `lambda "scale"`
 * @param names property → what the destination says and what the resource says
 */
export function serverlessHandle<Destination>(
  subject: string,
  destination: Destination,
  resource?: pulumi.Resource,
  names: Readonly<Record<string, readonly [given: string, found: pulumi.Output<string | undefined>]>> = {},
): ServerlessHandle<Destination> {
  const paths = Object.keys(names);
  pulumi.all(paths.map((path) => names[path]?.[1])).apply((found) => {
    compareNames(
      subject,
      paths.map((path, index) => [path, names[path]?.[0], found[index]]),
    );
  });
  return { destination, dependsOn: resource === undefined ? [] : [resource] };
}

/**
 * Compares names that a destination says with those of its resource; one that the resource does not say fits.
 *
 * @throws pulumi.RunError with every difference; it is printed without a stack trace, wherever in an Output it is thrown
 */
export function compareNames(subject: string, names: readonly (readonly [path: string, given: unknown, found: unknown])[]): void {
  const problems = new Problems(subject);
  for (const [path, given, found] of names) {
    if (found !== undefined && found !== given) {
      problems.add(path, given, `the resource says ${JSON.stringify(found)}`);
    }
  }
  if (problems.any) {
    throw new pulumi.RunError(new MeshInputError(subject, problems.all).message);
  }
}
