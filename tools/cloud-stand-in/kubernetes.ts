/**
 * The stand-in for Kubernetes in the cloud that the stand-ins play. Plans are made by tools/kubernetes-provider, which stands in for the official provider where there
 * is an API server; objects become files instead, and exist only while a cluster of the cloud answers at the address of the kubeconfig.
 */
import type * as grpc from "@grpc/grpc-js";
import { Empty } from "google-protobuf/google/protobuf/empty_pb";
import { PluginInfo } from "@pulumi/pulumi/proto/plugin_pb";
import * as messages from "@pulumi/pulumi/proto/provider_pb";
import { check } from "../kubernetes-provider/check";
import type { Client } from "../kubernetes-provider/client";
import { checkpoint, parseState } from "../kubernetes-provider/checkpoint";
import { diffConfig } from "../kubernetes-provider/configure";
import { type JsonMap, type KubeObject, objectId, textAt } from "../kubernetes-provider/json";
import { loadKubeConfig } from "../kubernetes-provider/kubeconfig";
import { diffResource } from "../kubernetes-provider/plan";
import { unary } from "../kubernetes-provider/service";
import { newSession, type Session } from "../kubernetes-provider/session";
import { foldStringData } from "../kubernetes-provider/shape";
import { fromStruct, hasUnknown, toPlain, toStruct } from "../kubernetes-provider/wire";
import { readResponse, tokenOf } from "./service";
import { holdsText, type World } from "./world";

/** Namespaces that every cluster has. */
const givenNamespaces = ["default", "kube-system", "kube-public", "kube-node-lease"];

interface Cluster {
  session: Session;
  /** Address of the API server; undefined while the kubeconfig is not known. */
  server?: string;
}

export function kubernetesHandlers(world: World, version: string): grpc.UntypedServiceImplementation {
  const cluster: Cluster = { session: { ...newSession(), client: kindsOnly } };
  return {
    handshake: unary(() => new messages.ProviderHandshakeResponse().setAcceptSecrets(true)),
    getPluginInfo: unary(() => new PluginInfo().setVersion(version)),
    attach: unary(() => new Empty()),
    checkConfig: unary((request: messages.CheckRequest) => new messages.CheckResponse().setInputs(request.getNews())),
    diffConfig: unary(diffConfig),
    configure: unary((request: messages.ConfigureRequest) => configure(cluster, request)),
    check: unary((request: messages.CheckRequest) => check(cluster.session, request)),
    diff: unary((request: messages.DiffRequest) => diffResource(cluster.session, request)),
    create: unary((request: messages.CreateRequest) => create(cluster, world, request)),
    update: unary((request: messages.UpdateRequest) => update(cluster, world, request)),
    read: unary((request: messages.ReadRequest) => read(cluster, world, request)),
    delete: unary((request: messages.DeleteRequest) => remove(cluster, world, request)),
    cancel: unary(() => new Empty()),
  };
}

async function configure(cluster: Cluster, request: messages.ConfigureRequest): Promise<messages.ConfigureResponse> {
  cluster.session.settings = toPlain(fromStruct(request.getArgs()));
  const kubeconfig = textAt(cluster.session.settings, "kubeconfig");
  if (kubeconfig !== undefined && !hasUnknown(kubeconfig)) {
    cluster.server = (await loadKubeConfig({ kubeconfig })).getCurrentCluster()?.server;
  }
  return new messages.ConfigureResponse().setAcceptsecrets(true).setSupportspreview(true);
}

function create(cluster: Cluster, world: World, request: messages.CreateRequest): messages.CreateResponse {
  const marks = fromStruct(request.getProperties());
  if (request.getPreview()) {
    return new messages.CreateResponse().setProperties(toStruct(marks));
  }
  const object = foldStringData(toPlain(marks)) as KubeObject;
  const server = reach(cluster, world);
  const namespace = object.metadata.namespace;
  if (namespace !== undefined && !givenNamespaces.includes(namespace)) {
    world.need("kubernetes:core/v1:Namespace", key(server, namespace));
  }
  const [urn, id, token] = [request.getUrn(), objectId(object), tokenOf(request.getUrn())];
  const state = checkpoint(toPlain(marks), live(object), marks, object.apiVersion, "pulumi-kubernetes");
  world.add({ token, id: key(server, id), urn, inputs: object, outputs: toPlain(state) });
  world.record({ verb: "create", token, urn, id });
  return new messages.CreateResponse().setId(id).setProperties(toStruct(state));
}

function update(cluster: Cluster, world: World, request: messages.UpdateRequest): messages.UpdateResponse {
  const marks = fromStruct(request.getNews());
  if (request.getPreview()) {
    return new messages.UpdateResponse().setProperties(toStruct(marks));
  }
  const object = foldStringData(toPlain(marks)) as KubeObject;
  const [urn, id, token] = [request.getUrn(), request.getId(), tokenOf(request.getUrn())];
  const old = parseState(fromStruct(request.getOlds()));
  const state = checkpoint(toPlain(marks), live(object), marks, old.initialApiVersion ?? object.apiVersion, old.fieldManager ?? "");
  world.change({ token, id: key(reach(cluster, world), id), urn, inputs: object, outputs: toPlain(state) });
  world.record({ verb: "update", token, urn, id });
  return new messages.UpdateResponse().setProperties(toStruct(state));
}

function read(cluster: Cluster, world: World, request: messages.ReadRequest): messages.ReadResponse {
  return readResponse(request, world.find(tokenOf(request.getUrn()), key(reach(cluster, world), request.getId())));
}

function remove(cluster: Cluster, world: World, request: messages.DeleteRequest): Empty {
  const [urn, id, token] = [request.getUrn(), request.getId(), tokenOf(request.getUrn())];
  world.need(token, key(reach(cluster, world), id));
  world.remove(token, key(reach(cluster, world), id));
  world.record({ verb: "delete", token, urn, id });
  return new Empty();
}

/** Kinds without namespaces, of those that a mesh is made of. */
const clusterScoped = new Set([
  "Namespace",
  "Node",
  "PriorityClass",
  "ClusterRole",
  "ClusterRoleBinding",
  "StorageClass",
  "PersistentVolume",
]);

/** What Check and Diff ask the API server: which kinds have namespaces. It is asked for no object, and has none. */
const kindsOnly = {
  knownKind: (object: JsonMap) => Promise.resolve({ namespaced: !clusterScoped.has(textAt(object, "kind") ?? "") }),
  find: () => Promise.resolve(undefined),
  apply: (object: KubeObject) => Promise.resolve(object),
} as unknown as Client;

/** The address of the cluster. @throws Error where no cluster answers there */
function reach(cluster: Cluster, world: World): string {
  const { server } = cluster;
  const answers =
    server !== undefined && world.all().some(({ token, outputs }) => !token.startsWith("kubernetes:") && serves(outputs, server));
  if (!answers) {
    throw new Error(`configured Kubernetes cluster is unreachable: nothing answers at ${server ?? "an address that is not known"}`);
  }
  return server;
}

/** Some clouds give the address of the API server without its scheme and port. */
function serves(outputs: JsonMap, server: string): boolean {
  return holdsText(outputs, server) || holdsText(outputs, new URL(server).hostname);
}

const key = (server: string, id: string): string => `${server} ${id}`;

/** The object as an API server would return it, as far as components look into it. */
function live(object: KubeObject): KubeObject {
  return { ...object, metadata: { ...object.metadata, generation: 1 } };
}
