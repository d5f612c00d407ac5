/**
 * Services beside a cluster as plain processes: Kafka, an object store, a gateway.
 *
 * Each process is recorded as `<folder>/pids/<name>.json`, as the parts of a cluster are, so that another process can end it, and so that the watchdog of
 * the folder (watchdog.cjs) ends it when its owner is gone. Data lies in `<folder>/<name>`, logs in `<folder>/logs/<name>.log`.
 */
import { join } from "node:path";
import { readJson, sleep } from "../files";
import { privateFolder } from "../paths";
import { freePorts } from "../ports";
import { forgetProcess, isAlive, logTail, type RecordedProcess, recordedProcesses, startProcess, stopProcess } from "../processes";
import { type Progress, silentProgress } from "../progress";

/** An address and a port. */
export interface Target {
  host: string;
  port: number;
}

/** Makes a port of the network namespace reachable as a port of 127.0.0.1 of this machine, before or after somebody listens there; returns that port. */
export type OpenDoor = (target: Target) => Promise<number>;

/** Where a service runs. */
export interface ServicePlace {
  /** Command that enters a network namespace, for example `["nsenter", "--net=/run/netns/x"]`. It must turn into the program, not stay its parent. Default: none. */
  prefix?: readonly string[];
  /** Address of that namespace to listen on and to tell clients. Default: 127.0.0.1. */
  address?: string;
  /** Folder of records, logs and data; that of a cluster will do. */
  folder: string;
  /** Where the start says how far it is. Default: nowhere. */
  progress?: Progress;
  /** How others on this machine reach the namespace. Default: by `address`. */
  openDoor?: OpenDoor;
}

/** A running service. */
export interface Service {
  name: string;
  /** Its processes; all are in the namespace. */
  processes: readonly RecordedProcess[];
  /** Ends them and forgets their records; data stays. */
  stop(): Promise<void>;
}

/** One process of a service. */
export interface ServiceProcess {
  name: string;
  binary: string;
  args: readonly string[];
  /** Variables on top of the caller's. */
  env?: NodeJS.ProcessEnv;
}

const pidFolder = (folder: string): string => join(folder, "pids");
const logFolder = (folder: string): string => join(folder, "logs");

/** The data folder of a service, made where it is missing. Only its owner can enter it. */
export function serviceFolder(place: Pick<ServicePlace, "folder">, name: string): string {
  return privateFolder(join(place.folder, name));
}

export const addressOf = (place: ServicePlace): string => place.address ?? "127.0.0.1";
export const progressOf = (place: ServicePlace): Progress => place.progress ?? silentProgress;

/** `count` ports to listen on. In a namespace of its own the ports of this machine say nothing, but are as good as any. */
export function servicePorts(count: number, except: readonly number[] = []): Promise<number[]> {
  return freePorts(count, except);
}

/** Where others on this machine reach a target inside. */
export async function doorTo(place: ServicePlace, target: Target): Promise<Target> {
  return place.openDoor ? { host: "127.0.0.1", port: await place.openDoor(target) } : target;
}

/** Starts one process of a service; one of an earlier start under the same name is ended first. */
export async function startServiceProcess(place: ServicePlace, spec: ServiceProcess): Promise<RecordedProcess> {
  for (const folder of [place.folder, pidFolder(place.folder), logFolder(place.folder)]) privateFolder(folder);
  const before = readJson<RecordedProcess>(join(pidFolder(place.folder), `${spec.name}.json`));
  if (before) await stopProcess(before, 0);
  const [binary, ...args] = [...(place.prefix ?? []), spec.binary, ...spec.args];
  return startProcess({
    name: spec.name,
    binary,
    args,
    pidFolder: pidFolder(place.folder),
    logFolder: logFolder(place.folder),
    cwd: place.folder,
    env: { ...process.env, ...spec.env },
  });
}

/** Ends one process of a service and forgets its record. Default grace: 5 s, then SIGKILL; 0: SIGKILL at once. */
export async function stopServiceProcess(place: Pick<ServicePlace, "folder">, name: string, graceMilliseconds?: number): Promise<void> {
  const recorded = readJson<RecordedProcess>(join(pidFolder(place.folder), `${name}.json`));
  if (recorded) await stopProcess(recorded, graceMilliseconds);
  forgetProcess(pidFolder(place.folder), name);
}

/** Names of services' processes, as they are recorded; a broker's has its number behind. */
const serviceNames = /^(kafka-\d+|object-store|kgateway|istiod|envoy-.+|faults-.+)$/;

/** The recorded processes of services in a folder, running or not. */
export function recordedServices(folder: string): RecordedProcess[] {
  return recordedProcesses(pidFolder(folder)).filter(({ name }) => serviceNames.test(name));
}

/** Ends every service that was started in the folder, by whichever process. Returns how many processes ran. */
export async function stopServices(folder: string, graceMilliseconds = 5000): Promise<number> {
  const all = recordedServices(folder);
  const running = all.filter(isAlive);
  await Promise.all(running.map((recorded) => stopProcess(recorded, graceMilliseconds)));
  for (const { name } of all) forgetProcess(pidFolder(folder), name);
  return running.length;
}

/** Polls until `ready` says so. Throws with the log of a process that ends before, or after the time. */
export async function untilServing(
  what: string,
  place: ServicePlace,
  processes: readonly RecordedProcess[],
  ready: () => Promise<boolean> | boolean,
  seconds = 60,
): Promise<void> {
  let last: unknown;
  for (const deadline = Date.now() + seconds * 1000; ; await sleep(50)) {
    try {
      if (await ready()) return;
      last = undefined;
    } catch (error) {
      last = error;
    }
    const ended = processes.find((recorded) => !isAlive(recorded));
    if (ended) throw new Error(`${what}: ${ended.name} ended; ${logTail(logFolder(place.folder), ended.name)}`, { cause: last });
    if (Date.now() > deadline) {
      const why = last instanceof Error ? ` (${last.message})` : "";
      const logs = processes.map(({ name }) => logTail(logFolder(place.folder), name, 4)).join("\n");
      throw new Error(`${what}: not ready within ${seconds} s${why}\n${logs}`, { cause: last });
    }
  }
}
