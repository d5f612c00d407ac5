/** The objects of GlooRoutes for each target, with the names of their Pulumi resources. */
import * as pulumi from "@pulumi/pulumi";
import type { CustomObject } from "../kubernetes/custom-resources";
import { RouteTarget } from "../model/routes";
import { emitGateway, emitHttpRoutes, type EmitContext } from "../routing/gateway-api";
import { emitGlooGateways, emitGlooObjects, emitVirtualServices } from "../routing/gloo";
import { emitDestinationRules, emitIstioGateway, emitIstioVirtualServices, emitServiceEntries } from "../routing/istio";
import type { InNamespace } from "../routing/istio-upstream";
import { emitKgatewayObjects, emitReferenceGrant } from "../routing/kgateway";
import type { GlooRoutesArgs } from "./gloo-routes";
import type { GlooRoutesPlan } from "./gloo-routes-plan";

type Namespace = pulumi.Input<string>;

/** One object, what kind of child it is for transforms, and what its name adds to the name of the GlooRoutes. */
export interface RoutesChild {
  part: string;
  kind: "gateway" | "routes" | "other";
  object: CustomObject<Namespace, unknown>;
}

/** Every object, in the order in which it is made. */
export function routesObjects(name: string, plan: GlooRoutesPlan, args: GlooRoutesArgs): RoutesChild[] {
  const context: EmitContext<Namespace> = { name, namespace: args.namespace, hosts: args.hosts };
  const inNamespace: InNamespace<Namespace> = (text) => pulumi.output(args.namespace).apply(text);
  switch (plan.target) {
    case RouteTarget.GatewayApi:
      return gatewayApiObjects({ ...context, inNamespace }, plan, args);
    case RouteTarget.Gloo:
      return glooObjects(context, plan);
    case RouteTarget.Istio:
      return istioObjects({ ...context, inNamespace }, plan);
  }
}

type LocatedContext = EmitContext<Namespace> & { inNamespace: InNamespace<Namespace> };

function gatewayApiObjects(context: LocatedContext, { gateway, table }: GlooRoutesPlan, args: GlooRoutesArgs): RoutesChild[] {
  const { create, name, namespace } = gateway;
  const pages = emitHttpRoutes(context, table, { name, namespace });
  const tls = create && { port: create.httpsPort, certificates: table.tls };
  const grants = (args.grants ?? []).filter((grant) => grant.create === true);
  return [
    ...(create === undefined ? [] : [gatewayChild(emitGateway(context, create.className, create.port, tls))]),
    ...grants.map((grant): RoutesChild => ({
      part: `grant-${grant.namespace}`,
      kind: "other",
      object: emitReferenceGrant(context, grant.namespace),
    })),
    ...others(emitKgatewayObjects(context, table, pages, namespace === undefined ? name : undefined)),
    ...pages.map(({ key, object }): RoutesChild => ({ part: key === "" ? "routes" : `routes-${key}`, kind: "routes", object })),
  ];
}

function glooObjects(context: EmitContext<Namespace>, { gateway, table }: GlooRoutesPlan): RoutesChild[] {
  const { create } = gateway;
  const gateways =
    create === undefined ? [] : emitGlooGateways(context, table, create.className, { http: create.port, https: create.httpsPort });
  return [
    ...gateways.map((object): RoutesChild => ({ part: partOf(context.name, object), kind: "gateway", object })),
    ...others(emitGlooObjects(context, table)),
    ...emitVirtualServices(context, table).map(({ part, object }): RoutesChild => ({ part, kind: "routes", object })),
  ];
}

function istioObjects(context: LocatedContext, { gateway, table }: GlooRoutesPlan): RoutesChild[] {
  const { create, name, namespace } = gateway;
  const ports = { http: create?.port ?? 8080, https: create?.httpsPort ?? 8443 };
  const place = namespace === undefined ? name : `${namespace}/${name}`;
  const named = (kind: "routes" | "other", list: readonly CustomObject<Namespace, unknown>[]): RoutesChild[] =>
    list.map((object) => ({ part: `${object.kind.toLowerCase()}-${partOf(context.name, object)}`, kind, object }));
  return [
    ...(create === undefined ? [] : [gatewayChild(emitIstioGateway(context, table, { istio: create.className }, ports))]),
    ...named("other", [...emitServiceEntries(context, table, context.inNamespace), ...emitDestinationRules(context, table)]),
    ...named("routes", emitIstioVirtualServices(context, table, place)).map((child) => ({
      ...child,
      part: partOf(context.name, child.object),
    })),
  ];
}

function gatewayChild(object: CustomObject<Namespace, unknown>): RoutesChild {
  return { part: "gateway", kind: "gateway", object };
}

function others(list: readonly { part: string; object: CustomObject<Namespace, unknown> }[]): RoutesChild[] {
  return list.map(({ part, object }) => ({ part, kind: "other", object }));
}

function partOf(name: string, { metadata }: CustomObject<Namespace, unknown>): string {
  return metadata.name.startsWith(`${name}-`) ? metadata.name.slice(name.length + 1) : metadata.name;
}
