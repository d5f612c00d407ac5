/** Azure Functions as destinations of routes. */
import type { WebApp } from "@pulumi/azure-native/web";
import { checkDnsLabel, checkKnownKeys } from "../../src/model/checks";
import { Problems } from "../../src/model/errors";
import type { AzureFunctionDestination } from "../../src/model/route-destination-types";
import { checkPattern } from "../cloud/options";
import { serverlessHandle, type ServerlessHandle } from "../cloud/serverless";

/** An HTTP-triggered function by its plain names, as a route's destination has them. */
export interface AzureFunctionSource extends AzureFunctionDestination {
  /** The function app, where this program makes it; it must have been given its `name`. Default: it is there already. */
  resource?: WebApp;
}

/**
 * An HTTP-triggered Azure function as a destination of routes.
 *
 * @example
 * const scale = azureFunction({ app: "scale-app", function: "scale", keySecret: "scale-key", resource: app });
 * const routes = new GlooRoutes("api", { …, routes: [{ match: [{ prefix: "/scale" }], to: [{ azureFunction: scale.destination }] }] }, { dependsOn: scale.dependsOn });
 * @throws MeshInputError for names that no function can have
 */
export function azureFunction(source: AzureFunctionSource): ServerlessHandle<AzureFunctionDestination> {
  const subject = `azureFunction ${JSON.stringify(source.function)}`;
  const problems = new Problems(subject);
  checkKnownKeys(problems, "", source, ["app", "function", "keySecret", "resource"]);
  // https://learn.microsoft.com/azure/azure-resource-manager/management/resource-name-rules#microsoftweb
  const appRule = "the name of a function app is allowed: 2 to 60 letters, digits and hyphens";
  checkPattern(problems, "app", source.app, /^[A-Za-z0-9][A-Za-z0-9-]{0,58}[A-Za-z0-9]$/, appRule);
  const functionRule = "the name of a function is allowed: letters, digits, hyphens and underscores, beginning with a letter, at most 128";
  checkPattern(problems, "function", source.function, /^[A-Za-z][A-Za-z0-9_-]{0,127}$/, functionRule);
  if (source.keySecret !== undefined) {
    checkDnsLabel(problems, "keySecret", source.keySecret);
  }
  problems.throwIfAny();
  const { resource, ...destination } = source;
  return resource === undefined
    ? serverlessHandle(subject, destination)
    : serverlessHandle(subject, destination, resource, { app: [source.app, resource.name] });
}
