/**
 * A network of a test's own in which every address of 198.18.0.0/16 is a pod that answers with what it was asked, and a client that asks gateways in it.
 *
 * All pods are one more Envoy, whose answers say by which address it was reached: a thousand destinations cost as much as one.
 */
import { execFile, spawn } from "node:child_process";
import { createWriteStream, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { pipeline } from "node:stream/promises";
import { startEnvoyProcess } from "../../tools/live/envoy";
import { startServiceProcess } from "../../tools/live/services";
import { untilListening } from "../../tools/live/services-listening";
import { isAlive, recordedProcesses } from "../../tools/processes";
import { echoBootstrap, echoPrefix as echo, podPort } from "./echo-pods";
import { type Outside, outside as makeOutside, outsideAddress, outsidePorts } from "./outside-world";
import { privateNetwork, type PrivateNetwork } from "./private-network";

/** A question to a gateway. */
export interface Question {
  port: number;
  method: string;
  host: string;
  /** With the query. */
  path: string;
  headers: Record<string, string | string[]>;
  /** Text to send through a WebSocket, once it is one. */
  upgrade?: string;
  /** Default: none. */
  body?: string;
  /** Speaks TLS, by the host, with whoever has a certificate of the authority that everybody trusts. Default: false. */
  tls?: boolean;
}

/** What came back. */
export interface Answer {
  /** 0 where the connection broke. */
  status: number;
  headers: Record<string, string>;
  body: string;
  milliseconds: number;
}

export { podPort };
/** Where every pod listens as one that behaves as it is asked to (odd-pod.cjs). */
export const oddPort = 9000;
/** Where every pod listens as a gRPC server (grpc-pod.cjs). */
export const grpcPort = 9200;

/** What a pod saw. */
export interface Seen {
  /** Its own address. */
  destination: string;
  method: string;
  path: string;
  host: string;
  /** `HTTP/1.1` or `HTTP/2`. */
  protocol: string;
  /** Those request headers that it was told to look at, where they were there. */
  headers: Record<string, string>;
}

/** A call of a gRPC method. */
export interface GrpcCall {
  port: number;
  host: string;
  tls: boolean;
  /** For example `/mesh.v1.Quotes/Get`. */
  method: string;
  message: string;
}

/** What came back: the status, and every message before it. */
export interface GrpcAnswer {
  code: number;
  details: string;
  messages: string[];
}

/** A question that is asked again and again with the method GET. */
export interface HammerQuestion {
  port: number;
  host: string;
  path: string;
  headers: Record<string, string>;
  /** Addresses of the pods that may answer it. */
  allowed: readonly string[];
}

/** What came of it. */
export interface HammerResult {
  asked: number;
  /** How many of them a pod answered. */
  answered: number;
  /** How often each status came; 0 is a broken connection. */
  statuses: Record<string, number>;
  /** Answers of a pod that may not. */
  leaks: object[];
}

export interface Hammer {
  stop(): Promise<HammerResult>;
}

export interface EchoNetwork extends Omit<PrivateNetwork, "stop"> {
  /** What is outside of the cluster. */
  outside: Outside;
  /** Asks all questions over a few connections, in any order; answers are in the order of the questions. */
  ask(questions: readonly Question[], connections?: number): Promise<Answer[]>;
  /** Calls gRPC methods, all at once. */
  call(this: void, calls: readonly GrpcCall[]): Promise<GrpcAnswer[]>;
  /** Asks the same questions again and again until `stop` is called. */
  hammer(questions: readonly HammerQuestion[], connections?: number): Hammer;
  /** Ends everything inside, and removes the folder. Returns the names of processes that are left. */
  stop(): Promise<string[]>;
}

/** The address of pod `number`, 0 to 65 000. */
export function podAddress(number: number): string {
  return `198.18.${(number + 256) >> 8}.${(number + 256) & 255}`;
}

/** What the pod that answered saw, or `undefined` where no pod did. */
export function seenBy({ headers }: Answer): Seen | undefined {
  const destination = headers[`${echo}destination`];
  if (destination === undefined) return undefined;
  const shown = Object.entries(headers).filter(([name, value]) => name.startsWith(`${echo}header-`) && value !== "-");
  return {
    destination,
    method: headers[`${echo}method`],
    path: headers[`${echo}path`],
    host: headers[`${echo}host`],
    protocol: headers[`${echo}protocol`],
    headers: Object.fromEntries(shown.map(([name, value]) => [name.slice(`${echo}header-`.length), value])),
  };
}

/** The address that this machine asks for names; in the network it is that of the network's own server, so that everybody inside asks that one. */
function nameServer(): string | undefined {
  const { 1: address } = /^\s*nameserver\s+([0-9.]+)\s*$/m.exec(readFileSync("/etc/resolv.conf", "utf8")) ?? [];
  return address;
}

/**
 * Makes the network and its pods. All of it ends with the test's process.
 *
 * @param binary Envoy
 * @param look names of request headers that pods repeat
 * @param names what the DNS server knows: addresses by name
 */
export async function echoNetwork(
  binary: string,
  look: readonly string[] = [],
  names: Readonly<Record<string, readonly string[]>> = {},
): Promise<EchoNetwork> {
  const dns = nameServer();
  let outside: Outside | undefined;
  const network = await privateNetwork(["198.18.0.0/16", ...(dns === undefined || dns.startsWith("127.") ? [] : [dns])], (folder) => {
    outside = makeOutside(folder);
    return outside.authorities;
  });
  if (outside === undefined) throw new Error("nothing is outside of the network");
  const pods = await startEnvoyProcess(network.place, binary, "envoy-pods", (admin) => echoBootstrap(admin, look));
  const odd = await startServiceProcess(network.place, {
    name: "odd-pod",
    binary: process.execPath,
    args: [join(__dirname, "odd-pod.cjs"), String(oddPort)],
  });
  const grpc = await startServiceProcess(network.place, {
    name: "grpc-pod",
    binary: process.execPath,
    args: [join(__dirname, "grpc-pod.cjs"), String(grpcPort)],
  });
  const namesFile = join(network.place.folder, "names.json");
  writeFileSync(namesFile, JSON.stringify({ ...names, ...outside.names }));
  if (dns !== undefined) {
    const args = [join(__dirname, "dns.cjs"), dns, "53", namesFile];
    await startServiceProcess(network.place, { name: "dns", binary: process.execPath, args });
  }
  const servers = await startServiceProcess(network.place, { name: "outside", binary: process.execPath, args: outside.args });
  await untilListening("pods", { ...network.place, address: podAddress(0) }, [pods.recorded, odd, grpc], [podPort, oddPort, grpcPort]);
  await untilListening("outside", { ...network.place, address: outsideAddress }, [servers], Object.values(outsidePorts));
  let times = 0;
  const run = async (program: string, input: unknown): Promise<unknown> => {
    times += 1;
    const [given, got] = ["questions", "answers"].map((what) => join(network.place.folder, `${what}-${times}.json`));
    writeFileSync(given, JSON.stringify(input));
    const [command, ...args] = [...network.place.prefix, process.execPath, join(__dirname, program), given];
    const child = execFile(command, args, { maxBuffer: Infinity });
    await pipeline(child.stdout!, createWriteStream(got));
    return JSON.parse(readFileSync(got, "utf8"));
  };
  const ask = async (questions: readonly Question[], connections = 16): Promise<Answer[]> =>
    (await run("ask.cjs", { questions, connections })) as Answer[];
  const call = async (calls: readonly GrpcCall[]): Promise<GrpcAnswer[]> => (await run("grpc-ask.cjs", calls)) as GrpcAnswer[];
  const hammer = (questions: readonly HammerQuestion[], connections = 8): Hammer => {
    times += 1;
    const file = join(network.place.folder, `hammer-${times}.json`);
    writeFileSync(file, JSON.stringify({ questions, connections }));
    const [command, ...args] = [...network.place.prefix, process.execPath, join(__dirname, "hammer.cjs"), file];
    const child = spawn(command, args, { stdio: ["pipe", "pipe", "inherit"] });
    const chunks: Buffer[] = [];
    child.stdout.on("data", (chunk: Buffer) => chunks.push(chunk));
    const ended = new Promise<void>((resolve, reject) => child.once("close", resolve).once("error", reject));
    return {
      stop: async () => {
        child.stdin.end();
        await ended;
        return JSON.parse(Buffer.concat(chunks).toString()) as HammerResult;
      },
    };
  };
  const stop = async (): Promise<string[]> => {
    const started = recordedProcesses(join(network.place.folder, "pids"));
    await network.stop();
    return started.filter(isAlive).map(({ name }) => name);
  };
  return { ...network, outside, ask, call, hammer, stop };
}
