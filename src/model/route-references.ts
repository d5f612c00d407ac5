/** Whether what destinations name is there, and may be referred to. */
import { checkBoolean, checkKnownKeys, checkList, checkObject, checkUnique, nearestWord } from "./checks";
import { joinPath, type Problems } from "./errors";
import { checkNamespace } from "./route-destinations";
import { list } from "./route-services";
import type { Destination, RouteTable, ServiceTarget } from "./route-table";
import { RouteTarget, type KubernetesServiceFacts, type NamespaceGrant, type RoutesSpec } from "./route-types";

/** Checks the namespaces that let these routes in. */
export function checkGrants(problems: Problems, given: unknown): void {
  if (given === undefined || !checkList(problems, "grants", given)) {
    return;
  }
  const namespaces = given.map((grant: unknown, index): unknown => {
    const path = joinPath("grants", index);
    if (!checkObject(problems, path, grant)) {
      return index;
    }
    const { namespace, create } = grant as Partial<NamespaceGrant>;
    checkKnownKeys(problems, path, grant, ["namespace", "create"]);
    checkNamespace(problems, joinPath(path, "namespace"), namespace ?? null);
    if (create !== undefined) {
      checkBoolean(problems, joinPath(path, "create"), create);
    }
    return namespace;
  });
  checkUnique(problems, "grants", namespaces, "namespace");
}

/** Notes destinations that do not exist, that have no such port, or that are in a namespace which does not let these routes in. */
export function checkReferences(problems: Problems, table: RouteTable, spec: RoutesSpec, pathOf: (route: string) => string): void {
  const said = new Set<string>();
  const known = servicePorts(problems, spec);
  const granted = new Set((Array.isArray(spec.grants) ? spec.grants : []).map((grant: Partial<NamespaceGrant> | null) => grant?.namespace));
  const needsGrants = (spec.target ?? RouteTarget.GatewayApi) === RouteTarget.GatewayApi;
  for (const rule of table.rules) {
    const uses: [at: string, destination: Destination][] = [
      ...rule.backends.map(({ destination }): [string, Destination] => ["to", destination]),
      ...rule.mirrors.map(({ destination }): [string, Destination] => ["mirrors", destination]),
    ];
    for (const [at, target] of uses.flatMap(([at, destination]) =>
      servicesOf(destination).map((one): [string, ServiceTarget] => [at, one]),
    )) {
      const path = joinPath(pathOf(rule.route), at);
      const finding = missing(target, known) ?? (needsGrants ? ungranted(target, granted) : undefined);
      if (finding !== undefined && !said.has(`${path} ${target.id}`)) {
        said.add(`${path} ${target.id}`);
        problems.add(path, target.id.replace(/^service /, "Service "), finding);
      }
    }
  }
}

function servicesOf(destination: Destination): ServiceTarget[] {
  return destination.kind === "service" ? [destination] : destination.kind === "failover" ? destination.places.flatMap(servicesOf) : [];
}

interface KnownPorts {
  /** By `namespace/name`, or the name alone in the namespace of the routes. */
  ports: Map<string, ReadonlySet<number>>;
  /** Whether a Service that is not in the list does not exist. */
  complete: boolean;
}

function servicePorts(problems: Problems, { services, kubernetesServices }: RoutesSpec): KnownPorts {
  const ports = new Map<string, ReadonlySet<number>>();
  const endpoints = (Array.isArray(services) ? services : []).flatMap((service) => service?.endpoints ?? []);
  for (const { serviceName, podServiceNames, directServiceName, port } of endpoints) {
    for (const name of [serviceName, ...podServiceNames, ...(directServiceName === undefined ? [] : [directServiceName])]) {
      ports.set(name, new Set([...(ports.get(name) ?? []), port]));
    }
  }
  const given: unknown = kubernetesServices;
  if (given !== undefined && checkList(problems, "kubernetesServices", given)) {
    (given as KubernetesServiceFacts[]).forEach((service, index) => {
      const path = joinPath("kubernetesServices", index);
      if (checkObject(problems, path, service) && checkList(problems, joinPath(path, "ports"), service["ports"])) {
        ports.set(placeOf(service), new Set(service["ports"]));
      }
    });
  }
  return { ports, complete: given !== undefined };
}

function placeOf({ name, namespace }: { name: string; namespace?: string }): string {
  return namespace === undefined ? name : `${namespace}/${name}`;
}

function missing(target: ServiceTarget, { ports, complete }: KnownPorts): string | undefined {
  const known = ports.get(placeOf(target));
  if (known === undefined) {
    const nearest = nearestWord(placeOf(target), [...ports.keys()]);
    return complete
      ? `${nearest === undefined ? "" : `perhaps ${nearest} is meant; `}no such Service is known, and every request would fail`
      : undefined;
  }
  return known.has(target.port) ? undefined : `it has the ports ${list([...known].map(String))}, so every request would fail`;
}

function ungranted({ namespace }: ServiceTarget, granted: ReadonlySet<string | undefined>): string | undefined {
  return namespace === undefined || granted.has(namespace)
    ? undefined
    : `a ReferenceGrant in the namespace ${namespace} is needed, or every request is answered with 500: say it under \`grants\`, with \`create: true\` where these routes shall make it`;
}
