/**
 * The gRPC service of a cloud's stand-in. It keeps the promises that planning rests on, of the real providers: which change replaces, what is unknown in a
 * preview, which names are taken; and it is stricter than a cloud about order: nothing is deleted that something else still names.
 */
import type * as grpc from "@grpc/grpc-js";
import { Empty } from "google-protobuf/google/protobuf/empty_pb";
import { createHash } from "node:crypto";
import { PluginInfo } from "@pulumi/pulumi/proto/plugin_pb";
import * as messages from "@pulumi/pulumi/proto/provider_pb";
import { diffAnswer } from "../kubernetes-provider/plan";
import { isMap, type JsonMap, textAt } from "../kubernetes-provider/json";
import { unary } from "../kubernetes-provider/service";
import { fromStruct, reveal, toStruct, unknown } from "../kubernetes-provider/wire";
import { named, planChange } from "./plan";
import type { Cloud, Rule } from "./rule";
import { type Entry, holdsText, type World } from "./world";

export function cloudHandlers(cloud: Cloud, world: World, version: string): grpc.UntypedServiceImplementation {
  return {
    handshake: unary(() => new messages.ProviderHandshakeResponse().setAcceptSecrets(true)),
    getPluginInfo: unary(() => new PluginInfo().setVersion(version)),
    attach: unary(() => new Empty()),
    checkConfig: unary((request: messages.CheckRequest) => new messages.CheckResponse().setInputs(request.getNews())),
    diffConfig: unary(() => new messages.DiffResponse().setChanges(messages.DiffResponse.DiffChanges.DIFF_NONE)),
    configure: unary((request: messages.ConfigureRequest) => {
      world.record({ verb: "configure", token: cloud.name, inputs: plain(request.getArgs()) });
      return new messages.ConfigureResponse().setAcceptsecrets(true).setSupportspreview(true);
    }),
    check: unary((request: messages.CheckRequest) => check(cloud, request)),
    diff: unary((request: messages.DiffRequest) => {
      const rule = ruleOf(cloud, tokenOf(request.getUrn()));
      return diffAnswer(planChange(cloud, rule, plain(request.getOldInputs()), plain(request.getNews())));
    }),
    create: unary((request: messages.CreateRequest) => create(cloud, world, request)),
    update: unary((request: messages.UpdateRequest) => update(cloud, world, request)),
    read: unary((request: messages.ReadRequest) => read(world, request)),
    delete: unary((request: messages.DeleteRequest) => remove(cloud, world, request)),
    invoke: unary((request: messages.InvokeRequest) => invoke(cloud, world, request)),
    cancel: unary(() => new Empty()),
  };
}

/** `aws:eks/cluster:Cluster` of a URN whose type may have parents before it. */
export function tokenOf(urn: string): string {
  return urn.split("::")[2]?.split("$").at(-1) ?? "";
}

function check(cloud: Cloud, request: messages.CheckRequest): messages.CheckResponse {
  const urn = request.getUrn();
  const rule = ruleOf(cloud, tokenOf(urn));
  const digits = digitsOf(Buffer.from(request.getRandomseed_asU8()).toString("hex"));
  const inputs = named(cloud, rule, fromStruct(request.getNews()), plain(request.getOlds()), urn.split("::").at(-1) ?? "", digits);
  return new messages.CheckResponse().setInputs(toStruct(inputs));
}

function create(cloud: Cloud, world: World, request: messages.CreateRequest): messages.CreateResponse {
  const urn = request.getUrn();
  const marked = fromStruct(request.getProperties());
  if (request.getPreview()) {
    // Outputs that are missing here are unknown to the program.
    return new messages.CreateResponse().setProperties(toStruct(marked));
  }
  const token = tokenOf(urn);
  const rule = ruleOf(cloud, token);
  const inputs = plainMap(marked);
  const digits = digitsOf(`${urn}\0${JSON.stringify(inputs)}`);
  const id = rule.id(inputs, digits);
  const outputs = { ...marked, ...rule.outputs?.({ inputs, id, digits }) };
  world.add({ token, id, urn, inputs, outputs: plainMap(outputs) });
  world.record({ verb: "create", token, urn, id, inputs });
  return new messages.CreateResponse().setId(id).setProperties(toStruct(outputs));
}

function update(cloud: Cloud, world: World, request: messages.UpdateRequest): messages.UpdateResponse {
  const urn = request.getUrn();
  const marked = fromStruct(request.getNews());
  const before = fromStruct(request.getOlds());
  const token = tokenOf(urn);
  const rule = ruleOf(cloud, token);
  if (request.getPreview()) {
    return new messages.UpdateResponse().setProperties(
      toStruct(previewOfUpdate(cloud, rule, before, plain(request.getOldInputs()), marked)),
    );
  }
  const id = request.getId();
  const { urn: maker } = world.need(token, id);
  const inputs = plainMap(marked);
  const outputs = { ...marked, ...rule.outputs?.({ inputs, id, digits: digitsOf(`${urn}\0${id}`), before: plainMap(before) }) };
  world.change({ token, id, urn: maker, inputs, outputs: plainMap(outputs) });
  world.record({ verb: "update", token, urn, id, inputs });
  return new messages.UpdateResponse().setProperties(toStruct(outputs));
}

/** What is known of a resource while its update is only planned. */
function previewOfUpdate(cloud: Cloud, rule: Rule, before: JsonMap, oldInputs: JsonMap, news: JsonMap): JsonMap {
  const kept = Object.keys(before).filter((key) =>
    cloud.keptInPreview === "all" ? !(key in oldInputs) : cloud.keptInPreview.includes(key),
  );
  const lost = (rule.unknownOnUpdate ?? []).map((key) => [key, unknown]);
  return { ...Object.fromEntries(kept.map((key) => [key, before[key]])), ...news, ...(Object.fromEntries(lost) as JsonMap) };
}

function read(world: World, request: messages.ReadRequest): messages.ReadResponse {
  const token = tokenOf(request.getUrn());
  const id = request.getId();
  world.record({ verb: "read", token, urn: request.getUrn(), id });
  const found = world.find(token, id);
  return readResponse(request, found, found?.urn !== "");
}

/**
 * An empty answer says that there is no such resource.
 *
 * @param made whether an update made it, so that the state, where it knows it, is right
 */
export function readResponse(request: messages.ReadRequest, found: Entry | undefined, made = true): messages.ReadResponse {
  if (!found) {
    return new messages.ReadResponse();
  }
  // What the state has keeps its marks of secrecy: what is in the folder has none.
  const [properties, inputs] = [fromStruct(request.getProperties()), fromStruct(request.getInputs())];
  const known = Object.keys(properties).length > 0 && made;
  return new messages.ReadResponse()
    .setId(request.getId())
    .setProperties(toStruct(known ? properties : found.outputs))
    .setInputs(toStruct(known ? inputs : found.inputs));
}

function remove(cloud: Cloud, world: World, request: messages.DeleteRequest): Empty {
  const [token, id] = [tokenOf(request.getUrn()), request.getId()];
  const found = world.need(token, id);
  const user = ruleOf(cloud, token).part ? undefined : world.all().find((entry) => uses(entry, found));
  if (user) {
    throw new Error(`${token} ${id} is still used by ${user.token} ${user.id}`);
  }
  world.remove(token, id);
  world.record({ verb: "delete", token, urn: request.getUrn(), id });
  return new Empty();
}

/** Names that nothing else can have: paths, addresses, and ids with digits of their own. */
function uses(entry: Entry, used: Entry): boolean {
  if (entry.token === used.token && entry.id === used.id) {
    return false;
  }
  const names = [used.id, textAt(used.outputs, "arn"), textAt(used.outputs, "selfLink")];
  const own = names.filter((name) => name !== undefined && /[/:]|[0-9a-f]{7}$/.test(name)) as string[];
  return own.some((name) => holdsText(entry.inputs, name) || entry.id.startsWith(`${name}/`));
}

function invoke(cloud: Cloud, world: World, request: messages.InvokeRequest): messages.InvokeResponse {
  const token = request.getTok();
  const inputs = plain(request.getArgs());
  world.record({ verb: "invoke", token, inputs });
  const answer = cloud.functions?.[token];
  if (!answer) {
    throw new Error(`the stand-in for ${cloud.name} does not know the function ${token}`);
  }
  return new messages.InvokeResponse().setReturn(toStruct(answer(inputs, world)));
}

/** @throws Error for a type without a rule: a stand-in that guessed would prove nothing */
function ruleOf(cloud: Cloud, token: string): Rule {
  const rule = cloud.rules[token];
  if (!rule) {
    throw new Error(`the stand-in for ${cloud.name} does not know the type ${token}`);
  }
  return rule;
}

function digitsOf(seed: string): string {
  return createHash("sha256").update(seed).digest("hex").slice(0, 17);
}

function plain(struct: Parameters<typeof fromStruct>[0]): JsonMap {
  return plainMap(fromStruct(struct));
}

function plainMap(marked: JsonMap): JsonMap {
  const value = reveal(marked);
  return isMap(value) ? value : {};
}
