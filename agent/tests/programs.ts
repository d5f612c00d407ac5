/** Servers that tests start where this machine has them: Kafka (a folder of jars) and a store that speaks S3. */
import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import { existsSync, mkdirSync, openSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { createConnection, createServer } from "node:net";
import { delimiter, join } from "node:path";
import { brokerProperties, kafkaClusterId, kafkaJava } from "../../tools/live/kafka-broker";
import { removeFolder, temporaryFolder } from "./support";

/**
 * Folder with the jars of a broker: `KAFKA_LIBS`. They come from Maven: org.apache.kafka:kafka_2.13 and kafka-tools 4.3.1,
 * `mvn dependency:copy-dependencies`.
 */
export function findKafka(): string | undefined {
  const folder = process.env["KAFKA_LIBS"];
  return folder !== undefined &&
    existsSync(folder) &&
    readdirSync(folder).some((name) => name.startsWith("kafka-tools")) &&
    onPath("java") !== undefined
    ? folder
    : undefined;
}

export const noKafka =
  "no Kafka: set KAFKA_LIBS to a folder with its jars (kafka_2.13 and kafka-tools from Maven), and have java on the PATH";

/** A store that speaks S3: versitygw or moto_server on the PATH, or what `S3_SERVER` names. */
export function findS3Server(): string | undefined {
  return process.env["S3_SERVER"] ?? onPath("versitygw") ?? onPath("moto_server");
}

export const noS3Server = "no S3 server: have versitygw or moto_server on the PATH, or set S3_SERVER to one of the two";

/** A running server. */
export interface Server {
  port: number;
  stop(): Promise<void>;
}

export interface KafkaServer extends Server {
  /** Writes lines of `key:value` with Java's producer. */
  produce(topic: string, compression: string, lines: readonly string[]): void;
  /** Removes the records of partition 0 below an offset, as retention does. */
  removeBelow(topic: string, offset: number): void;
}

export async function startKafka(libs: string): Promise<KafkaServer> {
  const folder = temporaryFolder();
  const [port, controller] = [await freePort(), await freePort()];
  const properties = join(folder, "server.properties");
  writeFileSync(
    properties,
    brokerProperties({
      id: 1,
      controllers: [{ id: 1, host: "127.0.0.1", port: controller }],
      listeners: [{ name: "CLIENTS", bind: { host: "127.0.0.1", port } }],
      dataFolder: join(folder, "data"),
      brokers: 1,
      properties: { "auto.create.topics.enable": "true" },
    }),
  );
  const java = kafkaJava(libs);
  const log = join(folder, "kafka.log");
  execFileSync("java", [...java, "kafka.tools.StorageTool", "format", "-t", kafkaClusterId, "-c", properties], { stdio: "pipe" });
  const child = spawn("java", [...java, "kafka.Kafka", properties], { stdio: ["ignore", openSync(log, "w"), openSync(log, "a")] });
  await untilListening(child, port, log);
  return {
    port,
    produce: (topic, compression, lines) => {
      const options = ["--bootstrap-server", `127.0.0.1:${port}`, "--topic", topic, "--compression-codec", compression];
      execFileSync(
        "java",
        [...java, "org.apache.kafka.tools.ConsoleProducer", ...options, "--property", "parse.key=true", "--property", "key.separator=:"],
        { input: `${lines.join("\n")}\n`, stdio: ["pipe", "pipe", "pipe"] },
      );
    },
    removeBelow: (topic, offset) => {
      const file = join(folder, "remove.json");
      writeFileSync(file, JSON.stringify({ version: 1, partitions: [{ topic, partition: 0, offset }] }));
      const options = ["--bootstrap-server", `127.0.0.1:${port}`, "--offset-json-file", file];
      execFileSync("java", [...java, "org.apache.kafka.tools.DeleteRecordsCommand", ...options], { stdio: "pipe" });
    },
    stop: () => stopServer(child, folder),
  };
}

/** Keys are `AK` and `SK`; the bucket `snapshots` is there. */
export async function startS3(program: string): Promise<Server> {
  const folder = temporaryFolder();
  const port = await freePort();
  const log = join(folder, "log");
  mkdirSync(join(folder, "data", "snapshots"), { recursive: true });
  mkdirSync(join(folder, "attributes"));
  const isMoto = program.includes("moto");
  const args = isMoto
    ? ["-H", "127.0.0.1", "-p", String(port)]
    : [
        "--access",
        "AK",
        "--secret",
        "SK",
        "--port",
        `127.0.0.1:${port}`,
        "posix",
        "--sidecar",
        join(folder, "attributes"),
        join(folder, "data"),
      ];
  const child = spawn(program, args, { stdio: ["ignore", openSync(log, "w"), openSync(log, "a")] });
  await untilListening(child, port, log);
  if (isMoto) {
    await fetch(`http://127.0.0.1:${port}/snapshots`, { method: "PUT" });
  }
  return { port, stop: () => stopServer(child, folder) };
}

/** Azure's emulator: azurite-blob on the PATH, or what `AZURITE` names. */
export function findAzurite(): string | undefined {
  return process.env["AZURITE"] ?? onPath("azurite-blob");
}

export const noAzurite = "no Azure emulator: have azurite-blob on the PATH, or set AZURITE";

/** Account and key that every Azurite has. */
export const azuriteAccount = "devstoreaccount1";
const azuriteKey = "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw==";

/** The server, and its connection string. */
export async function startAzurite(program: string): Promise<Server & { connection: string }> {
  const folder = temporaryFolder();
  const port = await freePort();
  const log = join(folder, "log");
  const args = ["--blobPort", String(port), "--location", join(folder, "data"), "--skipApiVersionCheck", "--silent"];
  const child = spawn(program, args, { stdio: ["ignore", openSync(log, "w"), openSync(log, "a")] });
  await untilListening(child, port, log);
  const endpoint = `http://127.0.0.1:${port}/${azuriteAccount}`;
  const connection = `DefaultEndpointsProtocol=http;AccountName=${azuriteAccount};AccountKey=${azuriteKey};BlobEndpoint=${endpoint};`;
  return { port, connection, stop: () => stopServer(child, folder) };
}

/** An emulator of Google Cloud Storage: fake-gcs-server on the PATH, or what `GCS_SERVER` names. */
export function findGcsServer(): string | undefined {
  return process.env["GCS_SERVER"] ?? onPath("fake-gcs-server");
}

export const noGcsServer = "no emulator of Google Cloud Storage: have fake-gcs-server on the PATH, or set GCS_SERVER";

/** The bucket `snapshots` is there. */
export async function startGcs(program: string): Promise<Server> {
  const folder = temporaryFolder();
  const port = await freePort();
  const log = join(folder, "log");
  const args = [
    "-scheme",
    "http",
    "-host",
    "127.0.0.1",
    "-port",
    String(port),
    "-backend",
    "memory",
    "-external-url",
    `http://127.0.0.1:${port}`,
    "-public-host",
    `127.0.0.1:${port}`,
  ];
  const child = spawn(program, args, { stdio: ["ignore", openSync(log, "w"), openSync(log, "a")] });
  await untilListening(child, port, log);
  const request = { method: "POST", headers: { "content-type": "application/json" }, body: JSON.stringify({ name: "snapshots" }) };
  await fetch(`http://127.0.0.1:${port}/storage/v1/b?project=test`, request);
  return { port, stop: () => stopServer(child, folder) };
}

async function stopServer(child: ChildProcess, folder: string): Promise<void> {
  const exit = new Promise((resolve) => child.once("exit", resolve));
  child.kill("SIGKILL");
  await exit;
  removeFolder(folder);
}

async function untilListening(child: ChildProcess, port: number, log: string): Promise<void> {
  for (let tries = 0; tries < 300; tries++) {
    if (child.exitCode !== null) {
      break;
    }
    const open = await new Promise<boolean>((resolve) => {
      const socket = createConnection({ host: "127.0.0.1", port });
      socket.once("connect", () => {
        socket.destroy();
        resolve(true);
      });
      socket.once("error", () => resolve(false));
    });
    if (open) {
      return;
    }
    await new Promise((resolve) => setTimeout(resolve, 200));
  }
  child.kill("SIGKILL");
  throw new Error(`the server did not start: ${readFileSync(log, "utf8").slice(-2000)}`);
}

export async function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.once("error", reject);
    server.listen(0, "127.0.0.1", () => {
      const address = server.address();
      server.close(() => (typeof address === "object" && address !== null ? resolve(address.port) : reject(new Error("no port"))));
    });
  });
}

function onPath(program: string): string | undefined {
  const folders = (process.env["PATH"] ?? "").split(delimiter);
  return folders.map((folder) => join(folder, program)).find((path) => existsSync(path));
}
