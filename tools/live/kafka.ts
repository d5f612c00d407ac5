/** Kafka as plain processes: brokers in KRaft mode, and their topics. */
import { execFile } from "node:child_process";
import { existsSync, readdirSync, writeFileSync } from "node:fs";
import { delimiter, join } from "node:path";
import { promisify } from "node:util";
import { findOnPath } from "../path-lookup";
import type { RecordedProcess } from "../processes";
import { refereeEnvironment } from "../referees";
import { type BrokerListener, brokerLogging, brokerProperties, type BrokerSpec, kafkaClusterId, kafkaJava } from "./kafka-broker";
import {
  addressOf,
  doorTo,
  progressOf,
  type Service,
  serviceFolder,
  type ServicePlace,
  servicePorts,
  startServiceProcess,
  stopServiceProcess,
  type Target,
} from "./services";
import { untilListening } from "./services-listening";

export { createTopics, type TopicSpec } from "./kafka-topics";

/** How Kafka is started. */
export interface KafkaOptions extends ServicePlace {
  /** Folder of the jars. Default: the cached ones, or those of `KAFKA_LIBS`. */
  libs?: string;
  /** Default: 1. The first three are the controllers as well. */
  brokers?: number;
  /** Port of the first broker at the place's address; each further broker has the next one. Default: free ports. */
  port?: number;
  /**
   * Further listeners by name (capital letters), for clients that come another way, as through a proxy: gets where a broker listens, and returns what that
   * broker tells those clients. Default: none.
   */
  listeners?: Readonly<Record<string, (target: Target) => Promise<Target>>>;
  /** Further properties of every broker, which win. Default: none. */
  properties?: Readonly<Record<string, string>>;
}

/** A running Kafka. */
export interface KafkaService extends Service {
  /** `host:port` of each broker for clients inside the namespace and for pods. */
  brokers: string[];
  /** The same for clients on this machine. */
  hostBrokers: string[];
  /** The same for each of `listeners`, by its name. */
  listenerBrokers: Readonly<Record<string, string[]>>;
  /** Ends one broker: 0 as by a crash, else with so many milliseconds for its farewell. Default: 0. */
  endBroker(id: number, graceMilliseconds?: number): Promise<void>;
  /** Starts a broker that was ended, with its data, and waits until it serves. */
  startBroker(id: number): Promise<void>;
}

/** The folder of Kafka's jars, where both they and Java are there; else undefined. */
export function findKafka(env: NodeJS.ProcessEnv = refereeEnvironment()): string | undefined {
  const folder = env["KAFKA_LIBS"];
  const has = folder !== undefined && existsSync(folder) && readdirSync(folder).some((name) => name.startsWith("kafka-tools"));
  return has && findOnPath("java", env) !== undefined ? folder : undefined;
}

/** Starts Kafka and waits until every broker serves. Data of an earlier start in the same folder is kept. Throws with a broker's log where it does not start. */
export async function startKafka(options: KafkaOptions): Promise<KafkaService> {
  const libs = options.libs ?? findKafka();
  if (libs === undefined) {
    throw new Error(
      "Kafka: its jars or Java are missing: have java 17 or later on PATH, and run `npm run test:all` once, or set KAFKA_LIBS",
    );
  }
  const count = options.brokers ?? 1;
  const specs = await brokerSpecs(options, count);
  const processes = new Map<number, RecordedProcess>();
  const start = async (spec: BrokerSpec): Promise<void> => {
    processes.set(spec.id, await startBrokerProcess(options, libs, spec));
  };
  // A broker listens once the controllers have taken it in, which takes a majority of them: all are started before any is waited for.
  const serves = (spec: BrokerSpec): Promise<void> =>
    untilListening(
      `Kafka broker ${spec.id}`,
      options,
      [processes.get(spec.id)!],
      spec.listeners.map(({ bind }) => bind.port),
      // Three brokers at once on two busy cores took 52 s.
      180,
    );
  progressOf(options).detail("Kafka");
  await Promise.all(specs.map(start));
  await Promise.all(specs.map(serves));

  const told = (name: string): string[] =>
    specs.map(({ listeners }) => {
      const { advertised, bind } = listeners.find((listener) => listener.name === name)!;
      return `${(advertised ?? bind).host}:${(advertised ?? bind).port}`;
    });
  const specOf = (id: number): BrokerSpec => {
    const spec = specs.find((one) => one.id === id);
    if (!spec) throw new Error(`Kafka: there is no broker ${id}: ${count === 1 ? "only 1" : `1 to ${count}`}`);
    return spec;
  };
  return {
    name: "kafka",
    get processes() {
      return [...processes.values()];
    },
    brokers: told("PODS"),
    hostBrokers: told("HOST"),
    listenerBrokers: Object.fromEntries(Object.keys(options.listeners ?? {}).map((name) => [name, told(name)])),
    endBroker: async (id, graceMilliseconds = 0) => stopServiceProcess(options, `kafka-${specOf(id).id}`, graceMilliseconds),
    startBroker: async (id) => {
      await start(specOf(id));
      await serves(specOf(id));
    },
    // One broker at a time cannot leave when the controllers have no majority any more; they have nothing to lose, as a crash would not.
    stop: async () => {
      await Promise.all(specs.map(({ id }) => stopServiceProcess(options, `kafka-${id}`, count === 1 ? 10_000 : 1000)));
    },
  };
}

/** Ports are chosen, and doors opened, before anything is started: a broker must know what to tell its clients. */
async function brokerSpecs(options: KafkaOptions, count: number): Promise<BrokerSpec[]> {
  if (!Number.isInteger(count) || count < 1) throw new Error(`Kafka: brokers: ${count} is not allowed: a whole number from 1 on`);
  const host = addressOf(options);
  const further = Object.entries(options.listeners ?? {});
  for (const [name] of further) {
    if (!/^[A-Z][A-Z0-9]*$/.test(name) || ["PODS", "HOST", "CONTROLLER"].includes(name)) {
      throw new Error(
        `Kafka: listeners: ${JSON.stringify(name)} is not allowed: capital letters and digits, and none of PODS, HOST, CONTROLLER`,
      );
    }
  }
  const first = options.port;
  const given = first === undefined ? [] : Array.from({ length: count }, (_unused, index) => first + index);
  const each = 3 + further.length - (first === undefined ? 0 : 1);
  const ports = await servicePorts(each * count, given);
  const controllerPorts = ports.splice(0, Math.min(3, count));
  const controllers = controllerPorts.map((port, index) => ({ id: index + 1, host, port }));
  const specs: BrokerSpec[] = [];
  for (let id = 1; id <= count; id += 1) {
    const bind = (): Target => ({ host, port: ports.shift()! });
    const outer = bind();
    const listeners: BrokerListener[] = [
      { name: "PODS", bind: given.length > 0 ? { host, port: given[id - 1] } : bind() },
      { name: "HOST", bind: outer, advertised: await doorTo(options, outer) },
    ];
    for (const [name, advertise] of further) {
      const inner = bind();
      listeners.push({ name, bind: inner, advertised: await advertise(inner) });
    }
    const dataFolder = join(serviceFolder(options, `kafka-${id}`), "data");
    specs.push({ id, controllers, listeners, dataFolder, brokers: count, properties: options.properties });
  }
  return specs;
}

async function startBrokerProcess(place: ServicePlace, libs: string, spec: BrokerSpec): Promise<RecordedProcess> {
  const name = `kafka-${spec.id}`;
  const folder = serviceFolder(place, name);
  const properties = join(folder, "server.properties");
  if (folder.includes(delimiter))
    throw new Error(`Kafka: the folder ${folder} cannot be on Java's class path: it has a ${delimiter} in its name`);
  writeFileSync(properties, brokerProperties(spec), { mode: 0o600 });
  writeFileSync(join(folder, "log4j2.properties"), brokerLogging, { mode: 0o600 });
  const java = kafkaJava(libs, folder);
  if (!existsSync(join(spec.dataFolder, "meta.properties"))) {
    const args = [...java, "kafka.tools.StorageTool", "format", "-t", kafkaClusterId, "-c", properties];
    await promisify(execFile)("java", args).catch((error: { stdout?: string; stderr?: string; message: string }) => {
      throw new Error(`Kafka: its data folder cannot be made: ${error.stdout ?? ""}${error.stderr || error.message}`, { cause: error });
    });
  }
  return startServiceProcess(place, { name, binary: "java", args: [...java, "kafka.Kafka", properties] });
}
