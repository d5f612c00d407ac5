/** Doors: the only way from the machine into a live cluster. A port of 127.0.0.1 leads to one address inside, by a process and no route. */
import { fork } from "node:child_process";
import { type AddressInfo, createServer, type Server } from "node:net";
import { join } from "node:path";
import { writeAtomic } from "../files";
import { projectRoot } from "../paths";
import { isAlive, type RecordedProcess, recordedProcesses } from "../processes";
import { startTimeOf } from "../process-identity";
import { inNamespace, livePaths, type LiveState } from "./state";

/** One open door. */
export interface Door {
  /** For example `10.200.0.1:6443`. */
  target: string;
  /** Port of 127.0.0.1. */
  port: number;
}

const openMilliseconds = 15_000;

/** Where doors lead to, and where they are recorded. */
export interface DoorPlace {
  /** Folder of `door-<port>.json` files. */
  pids: string;
  /** Command that enters the namespace. */
  prefix: readonly string[];
}

/** Doors that are open now. */
export function openDoors(dir: string): Door[] {
  return doorsOf(livePaths(dir).pids);
}

/** Open doors that are recorded in a folder. */
export function doorsOf(pids: string): Door[] {
  return recordedDoors(pids)
    .filter((door) => isAlive(door))
    .map(({ target, port }) => ({ target, port }));
}

function recordedDoors(pids: string): (RecordedProcess & Door)[] {
  return recordedProcesses(pids).filter((one): one is RecordedProcess & Door => one.name.startsWith("door-"));
}

/**
 * Opens a door to `target` ("host:port", dialled from the control plane's namespace) and returns its port of 127.0.0.1; the same one as before where it is
 * open already or, where `port` is given, at that port. It stays open when this process ends.
 */
export function openDoor(dir: string, state: Pick<LiveState, "id">, target: string, port?: number): Promise<number> {
  return openDoorInto({ pids: livePaths(dir).pids, prefix: inNamespace(state) }, target, port);
}

/** As `openDoor`, for any namespace. */
export async function openDoorInto({ pids, prefix }: DoorPlace, target: string, port?: number): Promise<number> {
  const match = /^([A-Za-z0-9.-]+):(\d{1,5})$/.exec(target);
  if (!match) throw new Error(`door: target: ${JSON.stringify(target)} is not allowed: it must be host:port`);
  const before = doorsOf(pids).find((door) => door.target === target && (port === undefined || door.port === port));
  if (before) return before.port;
  const server = createServer();
  await new Promise<void>((resolve, reject) => {
    server.once("error", reject);
    // A port that was used by the same door earlier keeps copied addresses right.
    server.listen({ host: "127.0.0.1", port: port ?? 0, exclusive: true }, resolve);
  });
  const opened = (server.address() as AddressInfo).port;
  try {
    const pid = await hand(server, prefix, match[1], match[2]);
    const record: RecordedProcess & Door = {
      name: `door-${opened}`,
      pid,
      startTime: startTimeOf(pid) ?? "",
      command: ["door-keeper.cjs", match[1], match[2]],
      startedAt: new Date().toISOString(),
      target,
      port: opened,
    };
    writeAtomic(join(pids, `${record.name}.json`), JSON.stringify(record, undefined, 2));
    return opened;
  } finally {
    server.close();
  }
}

/** Starts the door's process in the namespace and gives the listening socket away to it. */
function hand(server: Server, prefix: readonly string[], host: string, port: string): Promise<number> {
  const [program, ...before] = prefix;
  const child = fork(join(projectRoot, "tools", "live", "door-keeper.cjs"), [host, port], {
    execPath: program,
    execArgv: [...before, process.execPath],
    detached: true,
    stdio: ["ignore", "ignore", "ignore", "ipc"],
    env: {},
  });
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => fail(new Error(`does not open within ${openMilliseconds / 1000} s`)), openMilliseconds);
    const fail = (error: Error): void => {
      clearTimeout(timer);
      child.kill("SIGKILL");
      reject(new Error(`door to ${host}:${port}: ${error.message}`));
    };
    child.once("error", fail);
    child.once("exit", (code) => fail(new Error(`its process ended with ${code}`)));
    child.once("message", () => {
      clearTimeout(timer);
      child.removeAllListeners("exit");
      child.unref();
      child.channel?.unref();
      resolve(child.pid!);
    });
    child.send("listen", server);
  });
}
