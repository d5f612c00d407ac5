/** Lambda functions as destinations of routes. */
import type { Function as LambdaFunction } from "@pulumi/aws/lambda";
import { checkKnownKeys } from "../../src/model/checks";
import { Problems } from "../../src/model/errors";
import type { LambdaDestination } from "../../src/model/route-destination-types";
import { checkPattern } from "../cloud/options";
import { serverlessHandle, type ServerlessHandle } from "../cloud/serverless";
import { awsRegionPattern, awsRegionRule } from "./options";

/** A Lambda function by its plain names, as a route's destination has them. */
export interface LambdaSource extends LambdaDestination {
  /** The function, where this program makes it; it must have been given its `name`. Default: it is there already. */
  resource?: LambdaFunction;
}

const keys = ["region", "accountId", "functionName", "qualifier", "credentialsSecret", "async", "payload", "endpointUrl", "resource"];

/**
 * A Lambda function as a destination of routes. The gateway's identity needs `lambda:InvokeFunction` on it.
 *
 * @example
 * const scale = lambda({ region: "eu-west-1", accountId: "123456789012", functionName: "scale", resource: fn });
 * const routes = new GlooRoutes("api", { …, routes: [{ match: [{ prefix: "/scale" }], to: [{ lambda: scale.destination }] }] }, { dependsOn: scale.dependsOn });
 * @throws MeshInputError for names that no function can have
 */
export function lambda(source: LambdaSource): ServerlessHandle<LambdaDestination> {
  const subject = `lambda ${JSON.stringify(source.functionName)}`;
  const problems = new Problems(subject);
  checkKnownKeys(problems, "", source, keys);
  checkPattern(problems, "region", source.region, awsRegionPattern, awsRegionRule);
  checkPattern(problems, "accountId", source.accountId, /^\d{12}$/, "the number of an AWS account is allowed, twelve digits");
  const nameRule = "the name of a function is allowed: up to 64 letters, digits, hyphens and underscores";
  checkPattern(problems, "functionName", source.functionName, /^[A-Za-z0-9_-]{1,64}$/, nameRule);
  problems.throwIfAny();
  const { resource, ...destination } = source;
  if (resource === undefined) {
    return serverlessHandle(subject, destination);
  }
  // arn:aws:lambda:<region>:<account>:function:<name>
  const part = (index: number): ReturnType<typeof resource.arn.apply<string | undefined>> =>
    resource.arn.apply((arn) => arn.split(":")[index]);
  return serverlessHandle(subject, destination, resource, {
    region: [source.region, part(3)],
    accountId: [source.accountId, part(4)],
    functionName: [source.functionName, part(6)],
  });
}
