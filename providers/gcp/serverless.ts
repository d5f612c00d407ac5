/** Cloud Run services and Cloud functions as destinations of routes. */
import type { Function as FirstGenerationFunction } from "@pulumi/gcp/cloudfunctions";
import type { Service } from "@pulumi/gcp/cloudrunv2";
import { checkKnownKeys } from "../../src/model/checks";
import { Problems } from "../../src/model/errors";
import type { CloudFunctionDestination, CloudRunDestination } from "../../src/model/route-destination-types";
import { checkPattern } from "../cloud/options";
import { serverlessHandle, type ServerlessHandle } from "../cloud/serverless";
import { regionPattern, regionRule } from "./options";

/** A Cloud Run service, or a function of the second generation, which is one. */
export interface CloudRunSource {
  /** Name of the service. */
  service: string;
  region: string;
  /** Number of the project, digits only; it is part of the service's address. */
  projectNumber: string;
  /** Without a token, for services that allow everybody. Default: false; the gateway's service account then needs `roles/run.invoker`. */
  public?: boolean;
  /** The service, where this program makes it. Default: it is there already. */
  resource?: Service;
}

/** A Cloud function of the first generation. */
export interface CloudFunctionSource {
  function: string;
  region: string;
  /** Id of the project. */
  project: string;
  /** Without a token, for functions that allow everybody. Default: false; the gateway's service account then needs `roles/cloudfunctions.invoker`. */
  public?: boolean;
  /** The function, where this program makes it. Default: it is there already. */
  resource?: FirstGenerationFunction;
}

const serviceRule = "lower-case letters, digits and hyphens are allowed, beginning with a letter, at most 49";
const servicePattern = /^[a-z]([-a-z0-9]{0,47}[a-z0-9])?$/;

/**
 * A Cloud Run service by its address that is known beforehand, `<service>-<project number>.<region>.run.app`
 * (https://cloud.google.com/run/docs/triggering/https-request#deterministic).
 *
 * @example
 * const scale = cloudRun({ service: "scale", region: "europe-west4", projectNumber: "123456789012", resource: service });
 * const routes = new GlooRoutes("api", { …, routes: [{ match: [{ prefix: "/scale" }], to: [{ cloudRun: scale.destination }] }] }, { dependsOn: scale.dependsOn });
 * @throws MeshInputError for wrong names
 */
export function cloudRun(source: CloudRunSource): ServerlessHandle<CloudRunDestination> {
  const subject = `cloudRun "${source.service}"`;
  const problems = new Problems(subject);
  checkKnownKeys(problems, "", source, ["service", "region", "projectNumber", "public", "resource"]);
  checkPattern(problems, "service", source.service, servicePattern, serviceRule);
  checkPattern(problems, "region", source.region, regionPattern, regionRule);
  checkPattern(
    problems,
    "projectNumber",
    source.projectNumber,
    /^\d{6,20}$/,
    "the number of a project as text is allowed, for example 123456789012",
  );
  problems.throwIfAny();
  const { service, region, projectNumber, resource } = source;
  const destination = { host: `${service}-${projectNumber}.${region}.run.app`, ...publicOf(source) };
  return resource === undefined
    ? serverlessHandle(subject, destination)
    : serverlessHandle(subject, destination, resource, { service: [service, resource.name], region: [region, resource.location] });
}

/**
 * A Cloud function by its address `https://<region>-<project>.cloudfunctions.net/<function>`.
 *
 * @throws MeshInputError for wrong names
 */
export function cloudFunction(source: CloudFunctionSource): ServerlessHandle<CloudFunctionDestination> {
  const subject = `cloudFunction "${source.function}"`;
  const problems = new Problems(subject);
  checkKnownKeys(problems, "", source, ["function", "region", "project", "public", "resource"]);
  checkPattern(problems, "function", source.function, /^[A-Za-z]([-_A-Za-z0-9]{0,61}[A-Za-z0-9])?$/, "the name of a function is allowed");
  checkPattern(problems, "region", source.region, regionPattern, regionRule);
  checkPattern(problems, "project", source.project, /^[a-z][-a-z0-9]{4,28}[a-z0-9]$/, "the id of a project is allowed");
  problems.throwIfAny();
  const { function: name, region, project, resource } = source;
  const destination = { region, project, function: name, ...publicOf(source) };
  return resource === undefined
    ? serverlessHandle(subject, destination)
    : serverlessHandle(subject, destination, resource, {
        function: [name, resource.name],
        region: [region, resource.region],
        project: [project, resource.project],
      });
}

function publicOf(source: { public?: boolean }): { public?: boolean } {
  return source.public === undefined ? {} : { public: source.public };
}
