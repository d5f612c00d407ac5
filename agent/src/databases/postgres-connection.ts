/** A connection to PostgreSQL: statements, COPY in both directions, and failures as a person can use them. */
import { once } from "node:events";
import type { Readable, Writable } from "node:stream";
import pg from "pg";
import { from as copyFrom, to as copyTo } from "pg-copy-streams";
import { AgentError } from "../errors";
import { requiredVariable } from "../environment";
import { databaseFailure, databaseName, tlsOptions } from "./connection";
import type { DatabaseSettings } from "./database";

/** A connection, one for one job. */
export interface PostgresConnection {
  name: string;
  query<T>(sql: string, values?: unknown[]): Promise<T[]>;
  /** The rows of a COPY … TO STDOUT. */
  copyOut(sql: string): AsyncIterable<Buffer>;
  /** Takes the rows of a COPY … FROM STDIN; `finish` waits for the database's answer. */
  copyIn(sql: string): { write(rows: Buffer): Promise<void>; finish(): Promise<void> };
  /** Ends the connection; what is not committed is rolled back. */
  close(): Promise<void>;
}

/** Connects. Times are written in UTC whatever the server's settings are. */
export async function connectPostgres(settings: DatabaseSettings): Promise<PostgresConnection> {
  const { host, port, database } = settings;
  const name = databaseName(settings);
  const ssl = tlsOptions(settings);
  const client = new pg.Client({
    host,
    port,
    database,
    user: requiredVariable("DATABASE_USER", "the user of the database"),
    password: requiredVariable("DATABASE_PASSWORD", "the password of the database"),
    ...(ssl === undefined ? {} : { ssl }),
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
  const breakOff = (): void => (client as unknown as { connection: { stream: { destroy(): void } } }).connection.stream.destroy();
  let copying = false;
  await telling(() => client.connect());
  return {
    name,
    query: async <T>(sql: string, values: unknown[] = []) =>
      telling(async () => (await client.query(sql, values.length === 0 ? undefined : values)).rows as T[]),
    copyOut: (sql) => copyRows(name, client.query(copyTo(sql))),
    copyIn: (sql) => {
      const stream = client.query(copyFrom(sql)) as Writable;
      let failed: Error | undefined;
      copying = true;
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
        finish: async () => {
          const done = until("finish");
          stream.end();
          await done;
          copying = false;
        },
      };
    },
    close: async () => {
      // A COPY in progress would make end() wait for ever; the server rolls back when the connection is gone.
      const hangs = copying ? undefined : setTimeout(breakOff, 2000);
      if (copying) {
        breakOff();
      }
      await client.end().catch(() => undefined);
      clearTimeout(hangs);
    },
  };
}

/** The code of PostgreSQL in a failure, where it has one. */
export function sqlStateOf(error: unknown): string | undefined {
  const cause = error instanceof AgentError ? error.cause : error;
  return (cause as { code?: string } | undefined)?.code;
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
  "42501": "allow the user of the agent to read and write the tables of ingest, and to create schemas in the database",
  "42P01": "ingest has not made its tables; start it, or check that topics and tables are the same for both",
  "42703": "the table is not the one that ingest makes; give the topic another one",
};

function failure(name: string, error: unknown): AgentError {
  const code = (error as { code?: string }).code ?? "";
  return databaseFailure(name, error, advice[code], code === "53100" ? "the disk of the database is full; make room" : undefined);
}
