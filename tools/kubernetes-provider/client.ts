/** A small Kubernetes REST client: credentials from @kubernetes/client-node, requests by node:https on kept connections. */
import type { KubeConfig } from "@kubernetes/client-node/dist/config.js";
import * as http from "node:http";
import * as https from "node:https";
import { ApiError, isNotFound, NoKindError } from "./errors";
import { isTrue, type JsonMap, type KubeObject, mapsAt, type Metadata, textAt } from "./json";
import { foldStringData } from "./shape";

const requestTimeoutMs = 60_000;
const connections = 32;

/** Where a kind lives in the API. */
export interface KindInfo {
  plural: string;
  namespaced: boolean;
  /** `/api/v1` or `/apis/<group>/<version>`. */
  root: string;
}

export interface ApplyOptions {
  dryRun?: boolean;
  /** Take over fields that other managers own, instead of a conflict. */
  force?: boolean;
}

/** What names an object: its kind, and where it lies. */
export type ObjectRef = JsonMap & { apiVersion: string; kind: string; metadata: Metadata };

export class Client {
  private readonly plain = new http.Agent({ keepAlive: true, maxSockets: connections });
  private secure: https.Agent | undefined;
  private readonly kinds = new Map<string, Promise<JsonMap[]>>();

  public constructor(
    private readonly config: KubeConfig,
    /** Called with each `Warning` header of the API server: deprecated fields and the like. */
    private readonly warn: (text: string) => void,
  ) {}

  public get defaultNamespace(): string {
    return this.config.getContextObject(this.config.getCurrentContext())?.namespace ?? "default";
  }

  public get server(): string {
    return this.config.getCurrentCluster()?.server.replace(/\/$/, "") ?? "";
  }

  /** @throws ApiError for an answer that is not a success, Error when there is no answer */
  public async request(
    method: string,
    path: string,
    query: Record<string, string> = {},
    body?: unknown,
    type = "application/json",
  ): Promise<JsonMap> {
    const url = new URL(this.server + path);
    Object.entries(query).forEach(([key, value]) => url.searchParams.set(key, value));
    const text = body === undefined ? undefined : JSON.stringify(body);
    // Content-Length by hand: Node sends the body of a DELETE without any framing, and the next request on the connection fails.
    const framing = text === undefined ? {} : { "Content-Type": type, "Content-Length": Buffer.byteLength(text) };
    const options: https.RequestOptions = {
      method,
      protocol: url.protocol,
      host: url.hostname,
      port: url.port,
      path: url.pathname + url.search,
      timeout: requestTimeoutMs,
      headers: { Accept: "application/json", ...framing },
    };
    await this.config.applyToHTTPSOptions(options);
    options.agent = url.protocol === "http:" ? this.plain : this.keep(options.agent as https.Agent);
    return this.send(url, options, text);
  }

  /** Discovery of one kind. A miss is asked again, because its definition may have been created since. */
  public async kind(apiVersion: string, kind: string): Promise<KindInfo> {
    const root = apiVersion.includes("/") ? `/apis/${apiVersion}` : `/api/${apiVersion}`;
    for (const fresh of [false, true]) {
      const resources = await this.resources(root, fresh);
      const found = resources.find((each) => each["kind"] === kind && !textAt(each, "name")?.includes("/"));
      if (found) {
        return { plural: textAt(found, "name") ?? "", namespaced: isTrue(found["namespaced"]), root };
      }
    }
    throw new NoKindError(`no matches for kind ${JSON.stringify(kind)} in version ${JSON.stringify(apiVersion)}`);
  }

  /** The kind, or undefined where the API server does not serve it (yet). */
  public async knownKind(object: JsonMap): Promise<KindInfo | undefined> {
    const kind = this.kind(textAt(object, "apiVersion") ?? "", textAt(object, "kind") ?? "");
    return kind.catch((error: unknown) => orThrow(error instanceof NoKindError, error));
  }

  public async path(object: ObjectRef): Promise<string> {
    const kind = await this.kind(object.apiVersion, object.kind);
    const namespace = kind.namespaced ? `/namespaces/${object.metadata.namespace ?? "default"}` : "";
    return `${kind.root}${namespace}/${kind.plural}/${object.metadata.name ?? ""}`;
  }

  public async get(object: ObjectRef): Promise<KubeObject> {
    return (await this.request("GET", await this.path(object))) as KubeObject;
  }

  /** The live object, or undefined where there is none. */
  public async find(object: ObjectRef): Promise<KubeObject | undefined> {
    return this.get(object).catch((error: unknown) => orThrow(isNotFound(error), error));
  }

  /** Server-side apply with strict field validation: an unknown or doubled field is an error. JSON is YAML, so the body is JSON. */
  public async apply(object: KubeObject, fieldManager: string, options: ApplyOptions = {}): Promise<KubeObject> {
    const query = {
      fieldManager,
      fieldValidation: "Strict",
      force: String(options.force ?? false),
      ...(options.dryRun ? { dryRun: "All" } : {}),
    };
    const { namespaced } = await this.kind(object.apiVersion, object.kind);
    const { namespace: _none, ...metadata } = object.metadata;
    // A custom resource whose definition was not there when it was checked may carry a namespace that its kind does not have.
    const body = foldStringData(namespaced ? object : { ...object, metadata });
    return (await this.request("PATCH", await this.path(object), query, body, "application/apply-patch+yaml")) as KubeObject;
  }

  /** Deletes the object; with a uid only that very object, never one of the same name that was made since. */
  public async remove(object: ObjectRef, propagationPolicy: string): Promise<void> {
    const { uid } = object.metadata;
    const body = { kind: "DeleteOptions", apiVersion: "v1", propagationPolicy, ...(uid ? { preconditions: { uid } } : {}) };
    await this.request("DELETE", await this.path(object), {}, body);
  }

  private async resources(root: string, fresh: boolean): Promise<JsonMap[]> {
    const cached = this.kinds.get(root);
    if (cached && !fresh) {
      return cached;
    }
    const asked = this.request("GET", root).then(
      (list) => mapsAt(list, "resources"),
      (error: unknown) => {
        this.kinds.delete(root);
        return orThrow(isNotFound(error), error) ?? [];
      },
    );
    this.kinds.set(root, asked);
    return asked;
  }

  /** The library makes a new agent for every request, which costs a TLS handshake each time: keep the first. */
  private keep(agent: https.Agent): https.Agent {
    return (this.secure ??= Object.assign(agent, { keepAlive: true, maxSockets: connections }));
  }

  private send(url: URL, options: https.RequestOptions, text: string | undefined): Promise<JsonMap> {
    return new Promise((resolve, reject) => {
      const request = (url.protocol === "http:" ? http : https).request(options, (response) => {
        const chunks: Buffer[] = [];
        response.on("data", (chunk: Buffer) => chunks.push(chunk));
        response.on("error", reject);
        response.on("end", () => {
          warningsOf(response).forEach((warning) => this.warn(warning));
          const answer = parseAnswer(Buffer.concat(chunks).toString());
          const code = response.statusCode ?? 0;
          if (code < 300) {
            resolve(answer);
          } else {
            reject(new ApiError(code, textAt(answer, "reason") ?? "", textAt(answer, "message") ?? `HTTP ${code}`));
          }
        });
      });
      request.on("timeout", () =>
        request.destroy(new Error(`no answer to ${options.method} ${url.pathname} in ${requestTimeoutMs / 1000} s`)),
      );
      request.on("error", (error) => reject(new Error(`cannot reach the Kubernetes API server: ${error.message}`)));
      request.end(text);
    });
  }
}

function parseAnswer(text: string): JsonMap {
  try {
    return JSON.parse(text) as JsonMap;
  } catch {
    return { message: text.trim() };
  }
}

/** Texts of `Warning: 299 - "…"` headers. */
function warningsOf(response: http.IncomingMessage): string[] {
  const header = String(response.headers["warning"] ?? "");
  return [...header.matchAll(/299 \S+ "((?:[^"\\]|\\.)*)"/g)].map((match) => (match[1] ?? "").replace(/\\(.)/g, "$1"));
}

function orThrow(expected: boolean, error: unknown): undefined {
  if (!expected) {
    throw error;
  }
  return undefined;
}
