/** The shard files: one for each node, as the component mounts them. */
import { readdirSync, readlinkSync } from "node:fs";
import { join } from "node:path";
import { messageOf } from "../errors";
import type { Log } from "../log";
import { type NodeShards, readNodeShards } from "../pod-files";

/** Reads all files of the folder, by file name; again only where the kubelet has put new ones there. */
export interface ShardFiles {
  read(): ReadonlyMap<string, NodeShards>;
}

export function createShardFiles(folder: string, shardCount: number, log: Log): ShardFiles {
  let known: ReadonlyMap<string, NodeShards> = new Map();
  let version: string | undefined;
  return {
    read: () => {
      const now = versionOf(folder);
      if (now === undefined || now !== version) {
        known = readAll(folder, shardCount, log);
        version = now;
      }
      return known;
    },
  };
}

function readAll(folder: string, shardCount: number, log: Log): Map<string, NodeShards> {
  const files = new Map<string, NodeShards>();
  // The kubelet keeps the files in a folder whose name begins with two dots, and links to them.
  for (const name of readdirSync(folder).filter((file) => !file.startsWith(".."))) {
    try {
      files.set(name, readNodeShards(join(folder, name), shardCount));
    } catch (error) {
      // One wrong file must not take the shards of all other nodes away.
      log("error", `the shards of node ${name} are unknown: ${messageOf(error)}`);
    }
  }
  return files;
}

/** What the kubelet changes with every new content (`..data` in its AtomicWriter); undefined in a plain folder. */
function versionOf(folder: string): string | undefined {
  try {
    return readlinkSync(join(folder, "..data"));
  } catch {
    return undefined;
  }
}
