/** What the pod is told by its environment and by its node's file. */
import { readFileSync, statSync } from "node:fs";

/** @returns settings of the service. Throws where one is missing or wrong. */
export function readSettings(environment = process.env) {
  const required = (name) => {
    const value = environment[name];
    if (value === undefined || value === "") {
      throw new Error(`the environment variable ${name} is missing`);
    }
    return value;
  };
  const snapshot = required("MESH_SNAPSHOT");
  // It becomes part of SQL.
  if (!/^\d{8}t\d{4}z$/.test(snapshot)) {
    throw new Error(`MESH_SNAPSHOT=${snapshot} is no snapshot id`);
  }
  return {
    snapshot,
    version: required("MESH_VERSION"),
    /** Second releases know more questions. */
    second: (environment["PRICES_RELEASE"] ?? "2.0.0").startsWith("2."),
    port: Number(environment["PORT"] ?? 8080),
    ...readNode(environment["MESH_NODE_FILE"] ?? "/etc/compute-mesh/node.env", environment),
    database: {
      host: required("DATABASE_HOST"),
      port: Number(environment["DATABASE_PORT"] ?? 5432),
      database: required("DATABASE_NAME"),
      user: required("DATABASE_USER"),
      password: environment["DATABASE_PASSWORD"],
    },
  };
}

/** Name and shards of the mesh node. Where the shard map does not name the node, there is a directory in place of the file. */
function readNode(file, environment) {
  if (statSync(file).isDirectory()) {
    return { node: environment["NODE_NAME"] ?? "unknown", shards: [], primary: [] };
  }
  const lines = readFileSync(file, "utf8").split("\n");
  const valueOf = (name) =>
    lines
      .find((line) => line.startsWith(`${name}=`))
      ?.slice(name.length + 1)
      .trim();
  const node = valueOf("MESH_NODE");
  const shards = parseShards(valueOf("MESH_SHARDS") ?? "none");
  const primary = parseShards(valueOf("MESH_PRIMARY_SHARDS") ?? "none");
  if (!node || shards === undefined || primary === undefined) {
    throw new Error(`${file} has no MESH_NODE, MESH_SHARDS and MESH_PRIMARY_SHARDS`);
  }
  return { node, shards, primary };
}

/** A comma list of shards in ascending order; undefined where it is none. */
export function parseShards(text) {
  if (!/^(\d{1,5}(,\d{1,5})*)?$/.test(text)) {
    return undefined;
  }
  return text === "" ? [] : [...new Set(text.split(",").map(Number))].sort((a, b) => a - b);
}
