/** Names of kgateway's objects: by what is in them, so that equal ones are one object; and what all of them have in common. */
import type { CustomObject, PolicyTarget } from "../kubernetes/custom-resources";
import { contentHash, dnsName } from "../model/names";
import type { Destination } from "../model/routes";
import { type Page, splitByName } from "./pages";

export const kgatewayGroup = "gateway.kgateway.dev";

/** The Backend of a destination that is no Service of Kubernetes. */
export function backendName(name: string, { id }: Destination): string {
  return dnsName(name, "to", contentHash(id).slice(0, 8));
}

/** The DirectResponse with a status and a body. */
export function directResponseName(name: string, status: number, body: string): string {
  return dnsName(name, "answer", String(status), contentHash(body).slice(0, 8));
}

/** An object, and what its name adds to the name of the GlooRoutes. */
export interface NamedObject<N> {
  part: string;
  object: CustomObject<N | string, unknown>;
}

/** Targets of one policy: at most 16 (CRD). */
export function pagesOfTargets(targets: readonly PolicyTarget[]): Page<PolicyTarget>[] {
  return splitByName(
    targets,
    ({ kind, name, sectionName }) => `${kind} ${name} ${sectionName ?? ""}`,
    (list) => list.length <= 16,
  );
}
