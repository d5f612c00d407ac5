/**
 * The cloud that the stand-ins play: a folder with one file for each resource that exists, and a log of every call. It outlives the plugins, whose processes
 * live for one command, and they share it: a Kubernetes object is refused where no cluster of the cloud answers at its kubeconfig's address.
 */
import { createHash } from "node:crypto";
import * as fs from "node:fs";
import * as path from "node:path";
import { isMap, type Json, type JsonMap } from "../kubernetes-provider/json";

/** Environment variable with the folder. A stand-in does nothing without it, so that nobody takes it for the real plugin. */
export const worldVariable = "COMPUTE_MESH_STAND_IN_CLOUD";

/** A resource that exists. */
export interface Entry {
  /** Type token, for example `aws:eks/cluster:Cluster`. */
  token: string;
  id: string;
  /** Of the Pulumi resource that made it; "" where it was there before. */
  urn: string;
  inputs: JsonMap;
  outputs: JsonMap;
}

/** One line of the log. */
export interface Call {
  verb: "configure" | "create" | "update" | "delete" | "read" | "invoke";
  /** Type token, or that of the function. */
  token: string;
  urn?: string;
  id?: string;
  inputs?: JsonMap;
}

export class World {
  private readonly resources: string;
  private files = 0;

  public constructor(private readonly folder: string) {
    this.resources = path.join(folder, "resources");
    fs.mkdirSync(this.resources, { recursive: true });
  }

  /** @throws Error where a resource of that type and id exists */
  public add(entry: Entry): void {
    const whole = this.written(entry);
    try {
      // A link is there whole or not at all, and never takes the place of another file: plugins read while others write.
      fs.linkSync(whole, this.file(entry.token, entry.id));
    } catch (error) {
      throw (error as NodeJS.ErrnoException).code === "EEXIST" ? new Error(`${entry.token} ${entry.id} already exists`) : error;
    } finally {
      fs.rmSync(whole);
    }
  }

  public find(token: string, id: string): Entry | undefined {
    return readEntry(this.file(token, id));
  }

  /** @throws Error where there is no such resource */
  public change(entry: Entry): void {
    this.need(entry.token, entry.id);
    fs.renameSync(this.written(entry), this.file(entry.token, entry.id));
  }

  public remove(token: string, id: string): void {
    fs.rmSync(this.file(token, id), { force: true });
  }

  /** @throws Error where there is no such resource */
  public need(token: string, id: string): Entry {
    const entry = this.find(token, id);
    if (!entry) {
      throw new Error(`${token} ${id} does not exist`);
    }
    return entry;
  }

  public all(): Entry[] {
    const files = fs.readdirSync(this.resources).filter((name) => name.endsWith(".json"));
    // A file may be gone by now: another plugin removed it.
    return files.flatMap((name) => readEntry(path.join(this.resources, name)) ?? []);
  }

  public record(call: Call): void {
    fs.appendFileSync(path.join(this.folder, "calls.jsonl"), `${JSON.stringify(call)}\n`);
  }

  /** Every call so far, in order. */
  public calls(): Call[] {
    const file = path.join(this.folder, "calls.jsonl");
    const lines = fs.existsSync(file) ? fs.readFileSync(file, "utf8").split("\n") : [];
    return lines.filter((line) => line !== "").map((line) => JSON.parse(line) as Call);
  }

  /** A new file with the entry, under a name that nobody else reads. */
  private written(entry: Entry): string {
    const file = `${this.file(entry.token, entry.id)}.${process.pid}-${++this.files}`;
    fs.writeFileSync(file, JSON.stringify(entry));
    return file;
  }

  private file(token: string, id: string): string {
    const name = createHash("sha256").update(`${token}\0${id}`).digest("hex").slice(0, 40);
    return path.join(this.resources, `${name}.json`);
  }
}

/** The folder that the environment names. @throws Error where it names none */
export function openWorld(environment: NodeJS.ProcessEnv = process.env): World {
  const folder = environment[worldVariable];
  if (!folder || !path.isAbsolute(folder)) {
    throw new Error(`this plugin only plays a cloud, for tests: it needs an absolute path in ${worldVariable}`);
  }
  return new World(folder);
}

/** True when `value` is or holds exactly this text. */
export function holdsText(value: Json | undefined, text: string): boolean {
  return value === text || (Array.isArray(value) ? value : isMap(value) ? Object.values(value) : []).some((item) => holdsText(item, text));
}

function readEntry(file: string): Entry | undefined {
  try {
    return JSON.parse(fs.readFileSync(file, "utf8")) as Entry;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") {
      return undefined;
    }
    throw error;
  }
}
