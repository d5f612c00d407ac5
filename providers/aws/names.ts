/** Names, tags and partitions of what is made in AWS. */
import { dnsNameWithin } from "../../src/model/names";
import type { AwsProviderOptions } from "./options";

/** The part of AWS that a region belongs to, as ARNs begin with it. */
export function partition(region: string): string {
  return region.startsWith("cn-") ? "aws-cn" : region.startsWith("us-gov-") ? "aws-us-gov" : "aws";
}

/** ARN of a policy that AWS keeps. */
export function managedPolicy(region: string, name: string): string {
  return `arn:${partition(region)}:iam::aws:policy/${name}`;
}

/** The beginning of a name that AWS completes; roles take 38 characters of it and buckets 37. */
export function namePrefix(...parts: readonly string[]): string {
  return `${dnsNameWithin(36, ...parts)}-`;
}

/** The user's tags and ours. */
export function tagsOf(options: AwsProviderOptions, name: string, more: Readonly<Record<string, string>> = {}): Record<string, string> {
  return { ...options.tags, Name: name, "managed-by": "compute-mesh", ...more };
}

/** Who may take a role: a service of AWS. */
export function trustOf(service: string, actions: readonly string[] = ["sts:AssumeRole"], condition?: object): string {
  const statement = {
    Effect: "Allow",
    Principal: { Service: service },
    Action: actions,
    ...(condition === undefined ? {} : { Condition: condition }),
  };
  return JSON.stringify({ Version: "2012-10-17", Statement: [statement] });
}
