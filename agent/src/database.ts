/** The database of the node. */
import { once } from "node:events";
import type { Readable, Writable } from "node:stream";
import pg from "pg";
import { from as copyFrom, to as copyTo } from "pg-copy-streams";
import type { ByPartition } from "../../src/model/offsets";
import { AgentError, messageOf } from "./errors";
import { requiredVariable } from "./settings";
import { offsetsTable } from "./sql";

/** Where the database is; user name and password are in `DATABASE_USER` and `DATABASE_PASSWORD`. */
export interface DatabaseSettings {
  host: string;
  port: number;
  database: string;
}

/** A connection, one for one job. */
export interface Connection {
  query<T>(sql: string, values?: unknown[]): Promise<T[]>;
  /** The rows of a COPY … TO STDOUT. */
  copyOut(sql: string): AsyncIterable<Buffer>;
  /** Takes the rows of a COPY … FROM STDIN; `finish` waits for the database's answer. */
  copyIn(sql: string): { write(rows: Buffer): Promise<void>; finish(): Promise<void> };
  /** Ends the connection; what is not committed is rolled back. */
  close(): Promise<void>;
}

/** Connects. Times are written in UTC whatever the server's settings are. */
export async function connect(settings: DatabaseSettings): Promise<Connection> {
  const { host, port, database } = settings;
  const name = `database ${database} at ${host}:${port}`;
  const client = new pg.Client({
    host,
    port,
    database,
    user: requiredVariable("DATABASE_USER", "the user of the database"),
    password: requiredVariable("DATABASE_PASSWORD", "the password of the database"),
    connectionTimeoutMillis: 10_000,
    keepAlive: true,
    application_name: "compute-mesh-agent",
    options: "-c TimeZone=UTC -c DateStyle=ISO -c statement_timeout=0 -c client_min_messages=warning",
  });
  // An idle connection that breaks must not end the program; the next query tells.
  client.on("error", () => undefined);
  const telling = async <T>(run: () => Promise<T>): Promise<T> => {
    try {
      return await run();
    } catch (error) {
      throw failure(name, error);
    }
  };
  await telling(() => client.connect());
  return {
    query: async <T>(sql: string, values: unknown[] = []) =>
      telling(async () => (await client.query(sql, values.length === 0 ? undefined : values)).rows as T[]),
    copyOut: (sql) => copyRows(name, client.query(copyTo(sql))),
    copyIn: (sql) => {
      const stream = client.query(copyFrom(sql)) as Writable;
      let failed: Error | undefined;
      stream.on("error", (error) => (failed = error));
      const until = (event: "drain" | "finish"): Promise<void> =>
        telling(async () => {
          if (failed !== undefined) {
            throw failed;
          }
          await once(stream, event);
        });
      return {
        write: async (rows) => {
          if (failed !== undefined || !stream.write(rows)) {
            await until("drain");
          }
        },
        finish: () => {
          const done = until("finish");
          stream.end();
          return done;
        },
      };
    },
    close: async () => {
      // A COPY in progress would make end() wait for ever.
      const hangs = setTimeout(
        () => (client as unknown as { connection: { stream: { destroy(): void } } }).connection.stream.destroy(),
        2000,
      );
      await client.end().catch(() => undefined);
      clearTimeout(hangs);
    },
  };
}

/** Next offset of every partition that the node has ingested; nothing where ingest has not made its tables yet. */
export async function readOffsets(connection: Connection): Promise<ByPartition<bigint>> {
  const [{ there } = { there: false }] = await connection.query<{ there: boolean }>(
    `SELECT to_regclass('${offsetsTable}') IS NOT NULL AS there`,
  );
  const offsets: ByPartition<bigint> = {};
  if (there) {
    type Row = { topic: string; partition: number; next_offset: string };
    for (const row of await connection.query<Row>(`SELECT topic, partition, next_offset FROM ${offsetsTable}`)) {
      (offsets[row.topic] ??= {})[row.partition] = BigInt(row.next_offset);
    }
  }
  return offsets;
}

/** Version of the server, for example `17.6`. */
export async function serverVersion(connection: Connection): Promise<string> {
  const [row] = await connection.query<{ server_version: string }>("SHOW server_version");
  return (row?.server_version ?? "unknown").split(" ")[0];
}

async function* copyRows(name: string, stream: Readable): AsyncGenerator<Buffer> {
  try {
    for await (const chunk of stream as AsyncIterable<Buffer>) {
      yield chunk;
    }
  } catch (error) {
    throw failure(name, error);
  }
}

/** SQLSTATE → what to do. https://www.postgresql.org/docs/current/errcodes-appendix.html */
const advice: Record<string, string> = {
  "28P01": "correct the password in the Secret of the database",
  "28000": "allow the user in the Secret of the database to log in",
  "3D000": "correct the name of the database",
  "42501": "allow the user of the agent to read and write the tables of ingest",
  "42P01": "ingest has not made its tables; start it, or check that topics and tables are the same for both",
  "42703": "the table is not the one that ingest makes; give the topic another one",
};

function failure(name: string, error: unknown): AgentError {
  if (error instanceof AgentError) {
    return error;
  }
  const code = (error as { code?: string }).code ?? "";
  return new AgentError({
    kind: "unreachable",
    what: name,
    expected: "an answer",
    found: messageOf(error),
    todo:
      advice[code] ??
      (code === "53100" ? "the disk of the database is full; make room" : "check that the database is running; the agent tries again"),
    retry: advice[code] === undefined,
    cause: error,
  });
}
