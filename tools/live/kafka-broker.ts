/** What a Kafka broker in KRaft mode is told: its properties and the arguments of its Java. Plain values, shared by everything that starts one. */
import { join } from "node:path";
import type { Target } from "./services";

/** One listener for clients. */
export interface BrokerListener {
  /** Capital letters and digits. */
  name: string;
  /** Where the broker listens. */
  bind: Target;
  /** What it tells clients. Default: `bind`. */
  advertised?: Target;
}

/** One broker of a cluster in which the first brokers, three at most, are the controllers as well. */
export interface BrokerSpec {
  /** From 1 on. */
  id: number;
  /** Every controller, this one included where it is one. */
  controllers: readonly (Target & { id: number })[];
  /** The first one is used between brokers. */
  listeners: readonly BrokerListener[];
  dataFolder: string;
  /** How many brokers there are; decides how often Kafka keeps its own topics. */
  brokers: number;
  /** Further properties, which win. Default: none. */
  properties?: Readonly<Record<string, string>>;
}

/** The id of every cluster of ours: a random one would be lost with the first broker's folder. */
export const kafkaClusterId = "bWVzaC10ZXN0LWNsdXN0ZX";

const text = ({ host, port }: Target): string => `${host}:${port}`;

/** The content of `server.properties`. */
export function brokerProperties(spec: BrokerSpec): string {
  const controller = spec.controllers.find(({ id }) => id === spec.id);
  const copies = Math.min(3, spec.brokers);
  const names = spec.listeners.map(({ name }) => name);
  const properties: Record<string, string> = {
    "process.roles": controller ? "broker,controller" : "broker",
    "node.id": String(spec.id),
    "controller.quorum.voters": spec.controllers.map((voter) => `${voter.id}@${text(voter)}`).join(","),
    listeners: [
      ...spec.listeners.map(({ name, bind }) => `${name}://${text(bind)}`),
      ...(controller ? [`CONTROLLER://${text(controller)}`] : []),
    ].join(","),
    "advertised.listeners": spec.listeners.map(({ name, bind, advertised }) => `${name}://${text(advertised ?? bind)}`).join(","),
    "listener.security.protocol.map": [...names, "CONTROLLER"].map((name) => `${name}:PLAINTEXT`).join(","),
    "inter.broker.listener.name": names[0],
    "controller.listener.names": "CONTROLLER",
    "log.dirs": spec.dataFolder,
    "offsets.topic.replication.factor": String(copies),
    "transaction.state.log.replication.factor": String(copies),
    "transaction.state.log.min.isr": "1",
    // The defaults of 50 partitions each make a first start slow; a few clients need no more.
    "offsets.topic.num.partitions": "4",
    "transaction.state.log.num.partitions": "4",
    "default.replication.factor": String(copies),
    // A topic that is missing is to be an error.
    "auto.create.topics.enable": "false",
    "group.initial.rebalance.delay.ms": "0",
    // Records may bear any time, and old ones stay.
    "log.message.timestamp.after.max.ms": "9223372036854775807",
    "log.retention.ms": "-1",
    "log.cleaner.backoff.ms": "200",
    "log.initial.task.delay.ms": "100",
    ...spec.properties,
  };
  return Object.entries(properties)
    .map(([key, value]) => `${key}=${value}\n`)
    .join("");
}

/** Logging of a broker: warnings, to its standard output. */
export const brokerLogging = `status = error
appender.out.type = Console
appender.out.name = out
appender.out.layout.type = PatternLayout
appender.out.layout.pattern = %d %p %c{1}: %m%n
rootLogger.level = warn
rootLogger.appenderRef.out.ref = out
`;

/**
 * Arguments of Java in front of a class of Kafka: small, and quick to start.
 *
 * @param libs folder of the jars
 * @param configFolder folder with log4j2.properties; first on the class path, where the watchdog of a folder recognises its processes
 */
export function kafkaJava(libs: string, configFolder?: string): string[] {
  const classPath = [...(configFolder === undefined ? [] : [configFolder]), join(libs, "*")].join(":");
  return ["-Xmx512m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", `--class-path=${classPath}`];
}
