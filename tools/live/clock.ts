/**
 * Nodes whose clocks differ. The kernel has one clock for all of them, so the programs in the containers of such a node get a library that shows them
 * another time (libfaketime, by LD_PRELOAD). It reaches what asks the C library: Node.js, PostgreSQL, shells; not static programs, as those in Go are.
 */
import { basename, join } from "node:path";
import { debianRoot, quietly } from "../debian";
import { writeAtomic } from "../files";
import { run } from "./network";
import type { LiveNodeState } from "./state";

/** Folder in the containers. */
const mountPoint = "/opt/compute-mesh-clock";

/** The parts of an OCI runtime specification that are read or changed here. */
interface RuntimeSpec {
  process: { env?: string[] };
  mounts: { destination: string; type: string; source: string; options: string[] }[];
}

/**
 * Writes what containerd begins the specification of every container of the node with, and returns its path; undefined where the node's clock is right.
 *
 * @param ctr path of containerd's own client, which knows the specification that containerd would begin with otherwise
 */
export async function writeClockSpec(folder: string, node: LiveNodeState, ctr: string): Promise<string | undefined> {
  if (node.clockOffsetSeconds === undefined || node.clockOffsetSeconds === 0) return undefined;
  const root = await debianRoot("clock", ["libfaketime"], { exclude: ["libc6"], ...quietly });
  const library = await run(["sh", "-c", 'ls "$1"/usr/lib/*/faketime/libfaketimeMT.so.1', "sh", root]);
  const spec = await run([ctr, "oci", "spec"]);
  const file = join(folder, "container-spec.json");
  writeAtomic(file, JSON.stringify(clockSpec(JSON.parse(spec) as RuntimeSpec, library.trim(), node.clockOffsetSeconds)), 0o600);
  return file;
}

/** A specification with the library in it. */
export function clockSpec(spec: RuntimeSpec, library: string, offsetSeconds: number): RuntimeSpec {
  const inside = `${mountPoint}/${basename(library)}`;
  const env = [
    `LD_PRELOAD=${inside}`,
    `FAKETIME=${offsetSeconds < 0 ? "" : "+"}${offsetSeconds}s`,
    // Clocks that are wrong run as fast as others: times of waiting stay.
    "FAKETIME_DONT_FAKE_MONOTONIC=1",
    "NO_FAKE_STAT=1",
  ];
  return {
    ...spec,
    process: { ...spec.process, env: [...(spec.process.env ?? []), ...env] },
    mounts: [...spec.mounts, { destination: inside, type: "bind", source: library, options: ["bind", "ro"] }],
  };
}
