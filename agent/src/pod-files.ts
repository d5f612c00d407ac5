/** The smaller files of the pod: retention.json and node.env. */
import { readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { checkInteger, checkKnownKeys, checkList, checkObject } from "../../src/model/checks";
import { parseDocument } from "../../src/model/documents";
import { joinPath, Problems } from "../../src/model/errors";
import { isSnapshotId, snapshotIdRule } from "../../src/model/snapshot-id";
import { requiredVariable } from "./environment";
import { AgentError, messageOf, readingFrom } from "./errors";

/** retention.json, checked. */
export interface Retention {
  keep: { last: number; hourly?: number; daily?: number; weekly?: number };
  /** Snapshot ids that stay whatever `keep` says. */
  pinned: string[];
}

/** node.env: the node and its shards. */
export interface NodeShards {
  node: string;
  /** All owned shards, ascending. */
  shards: number[];
  /** Those that this node owns first. */
  primary: number[];
}

/** What to do where a file of the group is wrong. */
export const groupTodo = "correct the SnapshotGroup; its settings come from there";

/** @throws AgentError with everything that is wrong */
export function readRetention(folder: string): Retention {
  const file = join(folder, "retention.json");
  return readingFrom("usage", file, groupTodo, () => {
    const problems = new Problems("retention.json");
    const { keep, pinned } = parseDocument(problems, readFile(file), "SnapshotRetention", ["keep", "pinned"]);
    if (checkObject(problems, "keep", keep)) {
      checkKnownKeys(problems, "keep", keep, ["last", "hourly", "daily", "weekly"]);
      checkInteger(problems, "keep.last", keep["last"], { min: 1 });
      for (const key of ["hourly", "daily", "weekly"].filter((name) => keep[name] !== undefined)) {
        checkInteger(problems, joinPath("keep", key), keep[key], { min: 0 });
      }
    }
    if (checkList(problems, "pinned", pinned)) {
      pinned.forEach((id, index) => {
        if (!isSnapshotId(id)) {
          problems.add(joinPath("pinned", index), id, snapshotIdRule);
        }
      });
    }
    problems.throwIfAny();
    return { keep, pinned } as Retention;
  });
}

/**
 * A node that the shard map does not name owns nothing: there the kubelet finds no key to mount and makes a directory of that name (`subPathExpr` of a
 * ConfigMap). Rows that it holds from an older map are handed over as those of every other node.
 *
 * @throws AgentError where the file is missing or wrong
 */
export function readNodeShards(file: string, shardCount: number): NodeShards {
  if (statSync(file, { throwIfNoEntry: false })?.isDirectory() === true) {
    return {
      node: requiredVariable("NODE_NAME", "the name of a Kubernetes node that the shard map does not name"),
      shards: [],
      primary: [],
    };
  }
  const values = Object.fromEntries(
    readFile(file, "mount the node's file of the shard map, or name it by --node-file")
      .split("\n")
      .filter((line) => line.includes("="))
      .map((line) => [line.slice(0, line.indexOf("=")), line.slice(line.indexOf("=") + 1).trim()]),
  );
  return readingFrom("usage", file, "roll the pods; the shard map writes this file", () => {
    const problems = new Problems("node file");
    const numbers = (name: string): number[] => {
      const text = values[name];
      if (text === undefined || !/^(\d+(,\d+)*)?$/.test(text)) {
        problems.add(name, text, "a comma list of shards is expected");
        return [];
      }
      const shards = text === "" ? [] : text.split(",").map(Number);
      shards.forEach((shard) => checkInteger(problems, name, shard, { min: 0, max: shardCount - 1 }));
      return shards;
    };
    checkText(problems, "MESH_NODE", values["MESH_NODE"]);
    const shards = numbers("MESH_SHARDS");
    const primary = numbers("MESH_PRIMARY_SHARDS");
    if (primary.some((shard) => !shards.includes(shard))) {
      problems.add("MESH_PRIMARY_SHARDS", primary, `only shards of MESH_SHARDS are allowed: ${shards.join(", ")}`);
    }
    problems.throwIfAny();
    return { node: values["MESH_NODE"], shards, primary };
  });
}

/** The text of a file. `hint` is what to do where it cannot be read. */
export function readFile(
  file: string,
  hint = "mount the settings ConfigMap of the SnapshotGroup, or name its folder by --settings",
): string {
  try {
    return readFileSync(file, "utf8");
  } catch (error) {
    throw new AgentError({ kind: "usage", what: file, expected: "a readable file", found: messageOf(error), todo: hint, cause: error });
  }
}

/** Notes where `value` is no text, or an empty one. */
export function checkText(problems: Problems, path: string, value: unknown): void {
  if (typeof value !== "string" || value === "") {
    problems.add(path, value, "a text is needed");
  }
}
