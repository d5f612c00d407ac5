/** A connection on the MySQL wire (SingleStore, MariaDB, MySQL): statements, rows as a stream, and failures as a person can use them. */
import type { Readable } from "node:stream";
import { type Connection, createConnection, type RowDataPacket, type TypeCastField } from "mysql2";
import { requiredVariable } from "../environment";
import { AgentError } from "../errors";
import { certificateAdvice, databaseFailure, databaseName, tlsOptions } from "./connection";
import type { DatabaseSettings } from "./database";

/** A connection, one for one job. */
export interface MysqlConnection {
  name: string;
  /** 64-bit numbers and times come as text. A list as a value stands for its members. */
  query<T>(sql: string, values?: readonly unknown[]): Promise<T[]>;
  /** The number of rows that were changed. */
  run(sql: string, values?: readonly unknown[]): Promise<number>;
  /** The rows of a query, their columns as the text that the server sends. */
  stream(sql: string): AsyncIterable<(string | null)[]>;
  /** Ends the connection; what is not committed is rolled back. */
  close(): Promise<void>;
}

const closeMilliseconds = 2000;

/** What a session is set to. A server that does not know one of them does without. */
const sessionSettings = [
  // A value that does not fit is an error, never cut off; backslashes escape, and " is no quote of names.
  "SET SESSION sql_mode = 'STRICT_ALL_TABLES,NO_ZERO_DATE,NO_ZERO_IN_DATE,ERROR_FOR_DIVISION_BY_ZERO'",
  "SET SESSION time_zone = '+00:00'",
  // MariaDB's default locks gaps, where ingest would wait; SingleStore has only this one.
  "SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED",
  // The store may take rows slowly, or give them slowly.
  "SET SESSION net_write_timeout = 86400",
  "SET SESSION net_read_timeout = 86400",
  "SET SESSION max_statement_time = 0",
];

/** Connects. Times are in UTC whatever the server's settings are. */
export async function connectMysql(settings: DatabaseSettings): Promise<MysqlConnection> {
  const { host, port, database } = settings;
  const name = databaseName(settings);
  const tls = tlsOptions(settings);
  const user = requiredVariable("DATABASE_USER", "the user of the database");
  const password = requiredVariable("DATABASE_PASSWORD", "the password of the database");
  const client = await connected(name, () =>
    createConnection({
      ...{ host, port, database, user, password },
      // The library proves names only where it is told so.
      ...(tls === undefined ? {} : { ssl: { ...tls, verifyIdentity: true, minVersion: "TLSv1.2" } }),
      charset: "UTF8MB4_BIN",
      connectTimeout: 10_000,
      enableKeepAlive: true,
      supportBigNumbers: true,
      bigNumberStrings: true,
      dateStrings: true,
      // No file of this pod is the server's to ask for.
      flags: ["-LOCAL_FILES"],
    }),
  );
  let streaming = false;
  const ask = (sql: string, values: readonly unknown[] = []): Promise<unknown> =>
    new Promise((resolve, reject) => {
      client.query(sql, [...values], (error, result) => (error === null ? resolve(result) : reject(failure(name, error))));
    });
  for (const setting of sessionSettings) {
    await ask(setting).catch((error: unknown) => {
      if (errorNumberOf(error) === undefined) {
        throw error;
      }
    });
  }
  return {
    name,
    query: async <T>(sql: string, values?: readonly unknown[]) => (await ask(sql, values)) as T[],
    run: async (sql, values) => ((await ask(sql, values)) as { affectedRows?: number }).affectedRows ?? 0,
    stream: async function* (sql) {
      streaming = true;
      const typeCast = (field: TypeCastField): string | null => field.string("utf8");
      const rows: Readable = client.query<RowDataPacket[]>({ sql, rowsAsArray: true, typeCast }).stream({ highWaterMark: 200 });
      try {
        yield* rows as AsyncIterable<(string | null)[]>;
      } catch (error) {
        throw failure(name, error);
      }
      streaming = false;
    },
    close: () =>
      new Promise((resolve) => {
        const breakOff = (): void => {
          client.destroy();
          resolve();
        };
        if (streaming) {
          return breakOff();
        }
        const hangs = setTimeout(breakOff, closeMilliseconds);
        client.end(() => {
          clearTimeout(hangs);
          resolve();
        });
      }),
  };
}

/** The number of a server's error, where it is one. https://mariadb.com/kb/en/mariadb-error-codes/ */
export function errorNumberOf(error: unknown): number | undefined {
  const cause = error instanceof AgentError ? error.cause : error;
  return (cause as { errno?: number; sqlState?: string } | undefined)?.sqlState === undefined
    ? undefined
    : (cause as { errno: number }).errno;
}

async function connected(name: string, create: () => Connection): Promise<Connection> {
  return new Promise((resolve, reject) => {
    const client = create();
    // A connection that breaks while it is idle must not end the program; the next statement tells.
    client.on("error", () => undefined);
    client.connect((error) => {
      if (error === null) {
        resolve(client);
      } else {
        client.destroy();
        reject(failure(name, error));
      }
    });
  });
}

const rights = "allow the user of the agent to read and write the tables of ingest, and to create views in the database";

/** Number → what to do. */
const advice: Record<number, string> = {
  1045: "correct user and password in the Secret of the database",
  1044: rights,
  1142: rights,
  1143: rights,
  1227: rights,
  1049: "correct the name of the database",
  1146: "ingest has not made its tables; start it, or check that topics and tables are the same for both",
  1054: "the table is not the one that ingest makes; give the topic another one",
};

/** DISK_FULL, RECORD_FILE_FULL */
const full = [1021, 1114];

/** The library gives failures of TLS codes of its own. */
function adviceOn(error: unknown): string | undefined {
  const { code, message } = error as { code?: string; message: string };
  if (code === "HANDSHAKE_NO_SSL_SUPPORT") {
    return "give the server a certificate, or leave database.tls out";
  }
  return code === "HANDSHAKE_SSL_ERROR" && /certificate|altnames|issuer/i.test(message) ? certificateAdvice : undefined;
}

function failure(name: string, error: unknown): AgentError {
  const number = errorNumberOf(error) ?? 0;
  return databaseFailure(
    name,
    error,
    advice[number] ?? adviceOn(error),
    full.includes(number) ? "the database is full; make room" : undefined,
  );
}
