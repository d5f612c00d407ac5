/**
 * Pulumi mocks that remember every registration, with the resource options that the plain mocks hide.
 *
 * `await startMocks()` before anything is constructed, `await recorder.settle()` before anything is asserted.
 */
import * as pulumi from "@pulumi/pulumi";

/** Resource options as they reach the engine. */
export interface RecordedOptions {
  protect: boolean;
  retainOnDelete: boolean;
  deleteBeforeReplace: boolean;
  ignoreChanges: string[];
  replaceOnChanges: string[];
  /** URNs of the dependencies, those through inputs too. */
  dependencies: string[];
  /** URN of the resource that this one is deleted with, or "". */
  deletedWith: string;
  customTimeouts?: { create: string; update: string; delete: string };
  /** Number of aliases. */
  aliases: number;
}

/** One registered or read resource. */
export interface RecordedResource {
  type: string;
  name: string;
  /** Plain values; secrets are unwrapped and listed in `secretPaths`. */

  inputs: any;
  /** Paths of secret inputs, for example `stringData` or `spec.template`. */
  secretPaths: string[];
  /** Reference to the provider, `<urn>::<id>`, or "" for the default one. */
  provider: string;
  custom: boolean;
  /** Name of the parent resource, or "" for one without. */
  parent: string;
  /** Id that was read or imported, or "". */
  readId: string;
  options: RecordedOptions;
}

/** What a test may answer in place of the defaults. */
export interface MockAnswers {
  /** State on top of the inputs; the default state is the inputs alone. */
  state?(resource: pulumi.runtime.MockResourceArgs): Record<string, unknown> | undefined;
  /** Answer of a provider function. Default: its inputs. */
  call?(call: pulumi.runtime.MockCallArgs): pulumi.runtime.MockCallResult;
  /** Whether the program runs as a preview. Default: false. */
  preview?: boolean;
}

/** All registrations of one program, in the order in which they arrived. */
export interface Recorder {
  readonly resources: RecordedResource[];
  byType(type: string): RecordedResource[];
  /** The one resource with this logical name; where a component and a child share it, `type` decides. Throws where there is none or more. */
  named(name: string, type?: string): RecordedResource;
  /** Logical names of the children of a resource, sorted. */
  childrenOf(name: string): string[];
  /** Waits until all registrations are done, those that wait for others too. */
  settle(resource?: pulumi.Resource): Promise<void>;
}

/** Mocks the engine for project `project`, stack `stack`, and forgets whatever ran before. */
export async function startMocks(answers: MockAnswers = {}): Promise<Recorder> {
  const resources: RecordedResource[] = [];
  const mocks: pulumi.runtime.Mocks = {
    newResource: (args) => {
      const inputs = reveal(args.inputs);
      return {
        id: args.id || `${args.name}-id`,
        state: { ...(inputs.value as object), ...answers.state?.({ ...args, inputs: inputs.value }) },
      };
    },
    call: (args) => answers.call?.(args) ?? args.inputs,
  };
  await pulumi.runtime.setMocks(mocks, "project", "stack", answers.preview ?? false);
  watchMonitor(resources);
  const settle = async (resource?: pulumi.Resource): Promise<void> => settleAll(resources, resource);
  return {
    resources,
    byType: (type) => resources.filter((resource) => resource.type === type),
    named: (name, type) => only(resources, name, type),
    childrenOf: (name) =>
      resources
        .filter((resource) => resource.parent === name)
        .map((resource) => resource.name)
        .sort(),
    settle,
  };
}

/** Waits until all registrations are done. */
export async function settle(resource?: pulumi.Resource): Promise<void> {
  await settleAll([], resource);
}

/** The value of an Output, secret or not. */
export async function valueOf<T>(output: pulumi.Output<T>): Promise<T> {
  return new Promise((resolve, reject) => {
    const promise = (output as unknown as { promise(): Promise<T> }).promise();
    promise.then(resolve, reject);
  });
}

/** The message that constructing something fails with; throws where it does not fail. */
export function failureOf(construct: () => unknown): string {
  try {
    construct();
  } catch (error) {
    return (error as Error).message;
  }
  throw new Error("no error was thrown");
}

async function settleAll(resources: readonly unknown[], resource?: pulumi.Resource): Promise<void> {
  if (resource !== undefined) {
    await valueOf(resource.urn);
  }
  // A finished registration can resolve an Output that starts the next one, so the queue must be found idle several times.
  for (let idle = 0, seen = -1; idle < 3;) {
    // Exported but marked @internal, hence the cast. disconnect() would wait too, but ends the program.
    await (pulumi.runtime as unknown as { waitForRPCs(): Promise<void> }).waitForRPCs();
    await new Promise((resolve) => setImmediate(resolve));
    idle = resources.length === seen ? idle + 1 : 0;
    seen = resources.length;
  }
}

/** What of a register or read request the recorder looks at; read requests have no options. */
interface MonitorRequest {
  getType(): string;
  getName(): string;
  getParent(): string;
  getProvider(): string;
  getDependenciesList(): string[];
  getObject?(): Struct | undefined;
  getProperties?(): Struct | undefined;
  getId?(): string;
  getImportid?(): string;
  getCustom?(): boolean;
  getProtect?(): boolean | undefined;
  getRetainondelete?(): boolean | undefined;
  getDeletebeforereplace?(): boolean;
  getIgnorechangesList?(): string[];
  getReplaceonchangesList?(): string[];
  getDeletedwith?(): string;
  getAliasesList?(): unknown[];
  getCustomtimeouts?(): { getCreate(): string; getUpdate(): string; getDelete(): string } | undefined;
}

interface Struct {
  toJavaScript(): Record<string, unknown>;
}

type MonitorCall = (request: MonitorRequest, callback: unknown) => Promise<void>;

function watchMonitor(resources: RecordedResource[]): void {
  const monitor = pulumi.runtime.getMonitor() as unknown as { registerResource: MonitorCall; readResource: MonitorCall };
  for (const method of ["registerResource", "readResource"] as const) {
    const original = monitor[method].bind(monitor);
    monitor[method] = (request, callback) => {
      resources.push(recordOf(request));
      return original(request, callback);
    };
  }
}

function recordOf(request: MonitorRequest): RecordedResource {
  const inputs = reveal((request.getObject?.() ?? request.getProperties?.())?.toJavaScript() ?? {});
  const timeouts = request.getCustomtimeouts?.();
  return {
    type: request.getType(),
    name: request.getName(),
    inputs: inputs.value,
    secretPaths: inputs.secretPaths,
    provider: request.getProvider(),
    custom: request.getCustom?.() ?? true,
    parent: request.getParent().split("::").pop() ?? "",
    readId: request.getId?.() ?? request.getImportid?.() ?? "",
    options: {
      protect: request.getProtect?.() ?? false,
      retainOnDelete: request.getRetainondelete?.() ?? false,
      deleteBeforeReplace: request.getDeletebeforereplace?.() ?? false,
      ignoreChanges: request.getIgnorechangesList?.() ?? [],
      replaceOnChanges: request.getReplaceonchangesList?.() ?? [],
      dependencies: request.getDependenciesList(),
      deletedWith: request.getDeletedwith?.() ?? "",
      ...(timeouts === undefined || timeouts.getCreate() + timeouts.getUpdate() + timeouts.getDelete() === ""
        ? {}
        : { customTimeouts: { create: timeouts.getCreate(), update: timeouts.getUpdate(), delete: timeouts.getDelete() } }),
      aliases: request.getAliasesList?.().length ?? 0,
    },
  };
}

/** The key and the value by which Pulumi marks a secret on the wire (sdk/nodejs/runtime/rpc.ts). */
const signatureKey = "4dabf18193072939515e22adb298388d";
const secretSignature = "1b47061264138c4ac30d75fd1eb44270";

function reveal(wire: unknown): { value: unknown; secretPaths: string[] } {
  const secretPaths: string[] = [];
  const walk = (value: unknown, path: string): unknown => {
    if (Array.isArray(value)) {
      return value.map((item, index) => walk(item, `${path}[${index}]`));
    }
    if (typeof value !== "object" || value === null) {
      return value;
    }
    const object = value as Record<string, unknown>;
    if (object[signatureKey] === secretSignature) {
      secretPaths.push(path);
      return walk(object["value"], path);
    }
    return Object.fromEntries(Object.entries(object).map(([key, inner]) => [key, walk(inner, path === "" ? key : `${path}.${key}`)]));
  };
  return { value: walk(wire, ""), secretPaths };
}

function only(resources: readonly RecordedResource[], name: string, type?: string): RecordedResource {
  const found = resources.filter((resource) => resource.name === name && (type === undefined || resource.type === type));
  const [first] = found;
  if (first === undefined || found.length > 1) {
    const names = resources.map((resource) => `${resource.type} ${resource.name}`).join("\n");
    throw new Error(`${found.length} resources are named ${name}${type === undefined ? "" : ` (${type})`}; recorded:\n${names}`);
  }
  return first;
}
