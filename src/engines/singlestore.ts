/**
 * The MySQL wire as a local database: SingleStore (https://docs.singlestore.com), or MariaDB (https://mariadb.com/kb), whose SQL the mesh uses alike.
 *
 * Ingest, agents and views use only what the two have in common (src/model/table-sql-mysql.ts); docs/engines.md says what differs and what was run on which.
 */
import { checkInteger, checkKnownKeys, checkObject, checkOneOf } from "../model/checks";
import { joinPath, type Problems } from "../model/errors";
import type { DatabaseEngine } from "./engine";
import { planMariadb } from "./singlestore-mariadb";
import { planSinglestore } from "./singlestore-server";
import { checkImageAndDatabase, refuseBacking } from "./shared";

/** A key of a Secret in the database's namespace. */
export interface SecretKeyArgs {
  secretName: string;
  /** Default: `license`. */
  key?: string;
}

/** A database that speaks the MySQL wire on every mesh node. */
export interface SinglestoreArgs {
  /** Which server it is: `singlestore` or `mariadb`. Default: `singlestore`. */
  server?: string;
  /**
   * Image with a tag or digest. Default: `ghcr.io/singlestore-labs/singlestoredb-dev:0.2.81`, which its makers do not support in production, or
   * `docker.io/library/mariadb:10.11.18`; another one must be like it.
   */
  image?: string;
  /** Name of the database. Default: `mesh`. */
  database?: string;
  /** Most connections at once, 10 to 1000 (MariaDB). Default: 50. */
  maxConnections?: number;
  /** Memory for data as a Kubernetes quantity: `innodb_buffer_pool_size`, or `maximum_memory` of each of SingleStore's two nodes. Default: what the limit leaves. */
  bufferPool?: string;
  /** SingleStore's licence. Default: the free one of the image. */
  license?: SecretKeyArgs;
  /** Partitions that SingleStore cuts the database into, 1 to 64; more than CPUs only cost. Default: 2. */
  partitions?: number;
}

const servers = ["singlestore", "mariadb"];

/** SingleStore and MariaDB. */
export const singlestore: DatabaseEngine<SinglestoreArgs> = {
  name: "singlestore",
  plan: (problems, path, args, request) => {
    checkSinglestoreArgs(problems, path, args);
    refuseBacking(problems, request);
    return args.server === "mariadb" ? planMariadb(problems, path, args, request) : planSinglestore(problems, path, args, request);
  },
};

function checkSinglestoreArgs(problems: Problems, path: string, args: SinglestoreArgs): void {
  const { server = "singlestore", license, maxConnections, partitions } = args;
  const own = server === "mariadb" ? ["maxConnections"] : ["license", "partitions"];
  checkKnownKeys(problems, path, args, ["server", "image", "database", "bufferPool", ...own]);
  checkOneOf(problems, joinPath(path, "server"), server, servers);
  checkImageAndDatabase(problems, path, args);
  if (maxConnections !== undefined) {
    checkInteger(problems, joinPath(path, "maxConnections"), maxConnections, { min: 10, max: 1000 });
  }
  if (partitions !== undefined) {
    checkInteger(problems, joinPath(path, "partitions"), partitions, { min: 1, max: 64 });
  }
  const at = joinPath(path, "license");
  if (license !== undefined && checkObject(problems, at, license)) {
    checkKnownKeys(problems, at, license, ["secretName", "key"]);
    const { secretName, key = "license" } = license as unknown as SecretKeyArgs;
    for (const [name, value] of [
      ["secretName", secretName],
      ["key", key],
    ] as const) {
      if (typeof value !== "string" || value === "") {
        problems.add(joinPath(at, name), value, "the name of a Secret and its key are needed");
      }
    }
  }
}
