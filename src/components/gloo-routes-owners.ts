/** Two GlooRoutes of one program that claim one host at one gateway: found when the second one is made, so in preview. */
import * as pulumi from "@pulumi/pulumi";
import { MeshInputError, Problems } from "../model/errors";
import { checkHostOwners, gatewayKey } from "../model/route-owners";
import { RouteTarget } from "../model/routes";
import type { GlooRoutesPlan } from "./gloo-routes-plan";

/** What one GlooRoutes has, and where. */
interface Claim {
  name: string;
  hosts: readonly string[];
  target: RouteTarget;
  gateway: GlooRoutesPlan["gateway"];
  /** Of the gateway; "" where gateways of all namespaces are one. */
  namespace: pulumi.Input<string>;
  /** Its cluster. */
  provider: pulumi.ProviderResource | undefined;
}

/** By program: each has a monitor of its own, also where one process runs several. */
const claimsOfProgram = new WeakMap<object, Claim[]>();

/**
 * Claims the hosts of a GlooRoutes. Where namespaces are known later, an error is logged then, by which the preview fails as well.
 *
 * @throws MeshInputError where two have a host at one gateway, with a request that both would take
 */
export function claimHosts(
  owner: pulumi.ComponentResource,
  name: string,
  { target, gateway, table }: Pick<GlooRoutesPlan, "target" | "gateway" | "table">,
  namespace: pulumi.Input<string>,
): void {
  const program = pulumi.runtime.getMonitor();
  if (program === undefined) {
    return;
  }
  const shared = gateway.create !== undefined && target !== RouteTarget.GatewayApi;
  const claim: Claim = {
    name,
    hosts: table.hosts,
    target,
    gateway,
    namespace: shared ? "" : (gateway.namespace ?? namespace),
    provider: owner.getProvider("kubernetes:core/v1:Namespace"),
  };
  const before = claimsOfProgram.get(program) ?? [];
  claimsOfProgram.set(program, [...before, claim]);
  for (const other of before.filter((one) => keyOf(one) === keyOf(claim) && one.provider === claim.provider)) {
    if (other.namespace === claim.namespace) {
      findDoubles(other, claim, claim.namespace).throwIfAny();
    } else if (typeof other.namespace !== "string" || typeof claim.namespace !== "string") {
      pulumi.all([other.namespace, claim.namespace]).apply(([one, two]) => {
        const problems = one === two ? findDoubles(other, claim, two).all : [];
        return problems.length === 0 ? undefined : pulumi.log.error(new MeshInputError(subject, problems).message, owner);
      });
    }
  }
}

const subject = "glooRoutes";

function keyOf({ target, gateway }: Claim, namespace?: string): string {
  return gatewayKey(target, { ...gateway, namespace });
}

/** The hosts that two claims at one gateway have in common. */
function findDoubles(first: Claim, second: Claim, namespace: pulumi.Input<string>): Problems {
  const problems = new Problems(subject);
  const gateway = keyOf(second, typeof namespace === "string" && namespace !== "" ? namespace : undefined);
  checkHostOwners(
    problems,
    [first, second].map(({ name, hosts }) => ({ name, hosts, gateway })),
  );
  return problems;
}
