/**
 * ClickHouse's HTTP interface: one request for each statement, and failures as a person can use them.
 * https://clickhouse.com/docs/interfaces/http
 */
import { randomUUID } from "node:crypto";
import { once } from "node:events";
import { type IncomingMessage, request as httpRequest } from "node:http";
import { request as httpsRequest } from "node:https";
import { requiredVariable } from "../environment";
import { AgentError } from "../errors";
import { databaseFailure, databaseName, tlsOptions } from "./connection";
import type { DatabaseSettings } from "./database";

/** Parameters (`param_x` for `{x:Type}`) and settings of a statement. */
export type Parameters = Record<string, string>;

/** No connection stays open: every statement has its own, so none meets one that the server has just closed. */
export interface ClickhouseConnection {
  name: string;
  /** Runs a statement; `data` follow an INSERT … FORMAT. */
  run(statement: string, parameters?: Parameters, data?: Buffer): Promise<void>;
  /** Rows of a few short values, none of which needs escaping. */
  rows(query: string, parameters?: Parameters): Promise<string[][]>;
  /** What a query answers, complete in the server before the first byte. It can be left early. */
  read(query: string, parameters?: Parameters): AsyncIterable<Buffer>;
}

const connectMilliseconds = 10_000;

/** Nothing is sent yet: the first statement finds out whether the server lets the agent in. */
export function connectClickhouse(settings: DatabaseSettings): ClickhouseConnection {
  const { host, port, database } = settings;
  const name = databaseName(settings);
  const tls = tlsOptions(settings);
  const user = requiredVariable("DATABASE_USER", "the user of the database");
  const password = requiredVariable("DATABASE_PASSWORD", "the password of the database");
  const send = async (statement: string, parameters: Parameters, data?: Buffer): Promise<IncomingMessage> => {
    const query = new URLSearchParams({
      ...{ database, query_id: `mesh-agent-${randomUUID()}` },
      // Errors while it runs come as an error, not behind the status 200.
      wait_end_of_query: "1",
      ...parameters,
      ...(data === undefined ? {} : { query: statement }),
    });
    const body = data ?? Buffer.from(statement);
    const options = {
      ...{ host, port, method: "POST", path: `/?${query.toString()}`, agent: false as const },
      headers: { "x-clickhouse-user": user, "x-clickhouse-key": password, "content-length": body.length },
      ...tls,
    };
    const sent = tls === undefined ? httpRequest(options) : httpsRequest(options);
    const unreachable = setTimeout(() => sent.destroy(new Error("no connection within 10 seconds")), connectMilliseconds);
    sent.once("socket", (socket) => {
      socket.setKeepAlive(true, 30_000);
      socket.once(tls === undefined ? "connect" : "secureConnect", () => clearTimeout(unreachable));
    });
    try {
      sent.end(body);
      const [response] = (await once(sent, "response")) as [IncomingMessage];
      if (response.statusCode !== 200) {
        throw new ClickhouseError(response, await textOf(response));
      }
      return response;
    } catch (error) {
      throw failure(name, error);
    } finally {
      clearTimeout(unreachable);
    }
  };
  const read = async function* (query: string, parameters: Parameters = {}): AsyncGenerator<Buffer> {
    const response = await send(query, parameters);
    try {
      yield* response as AsyncIterable<Buffer>;
    } catch (error) {
      throw failure(name, error);
    } finally {
      response.destroy();
    }
  };
  const text = async (response: IncomingMessage): Promise<string> => {
    try {
      return await textOf(response);
    } catch (error) {
      throw failure(name, error);
    }
  };
  return {
    name,
    read,
    run: async (statement, parameters = {}, data) => {
      await text(await send(statement, parameters, data));
    },
    rows: async (query, parameters = {}) => {
      const lines = (await text(await send(`${query} FORMAT TabSeparatedRaw`, parameters))).split("\n");
      lines.pop();
      return lines.map((line) => line.split("\t"));
    },
  };
}

/** An answer that says no. */
class ClickhouseError extends Error {
  /** https://github.com/ClickHouse/ClickHouse/blob/master/src/Common/ErrorCodes.cpp */
  public readonly number: number;

  public constructor(response: IncomingMessage, text: string) {
    super(text.trim().slice(0, 500) || `status ${response.statusCode}`);
    this.name = "ClickhouseError";
    this.number = Number(response.headers["x-clickhouse-exception-code"] ?? /Code: (\d+)/.exec(text)?.[1] ?? 0);
  }
}

/** The number of a server's error, where it is one. */
export function clickhouseErrorOf(error: unknown): number | undefined {
  const cause = error instanceof AgentError ? error.cause : error;
  return cause instanceof ClickhouseError ? cause.number : undefined;
}

async function textOf(response: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  for await (const chunk of response as AsyncIterable<Buffer>) {
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString("utf8");
}

const credentials = "correct user and password in the Secret of the database";
const rights = "allow the user of the agent to read and write the tables of ingest, and to create databases with views";
const tables = "ingest has not made its tables, or they are not the ones that it makes; check that topics and tables are the same for both";

/** Number → what to do. */
const advice: Record<number, string> = {
  ...{ 192: credentials, 193: credentials, 194: credentials, 516: credentials },
  ...{ 291: rights, 497: rights, 164: rights },
  81: "correct the name of the database",
  ...{ 16: tables, 47: tables, 60: tables },
  115: "use ClickHouse 24.8 or newer",
};

/** NOT_ENOUGH_SPACE */
const full = 243;

function failure(name: string, error: unknown): AgentError {
  const number = clickhouseErrorOf(error) ?? 0;
  return databaseFailure(name, error, advice[number], number === full ? "the disk of the database is full; make room" : undefined);
}
