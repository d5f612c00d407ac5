/** A connection to Valkey (or Redis 7): commands as they are, and failures as a person can use them. */
import { isIP } from "node:net";
import { createClient, ErrorReply, RESP_TYPES } from "@redis/client";
import { requiredVariable } from "../environment";
import { AgentError } from "../errors";
import { databaseFailure, databaseName, tlsOptions } from "./connection";
import type { DatabaseSettings } from "./database";

/** What a command answers; texts are bytes. */
export type Reply = Buffer | number | null | Reply[];

/** A connection, one for one job. */
export interface ValkeyConnection {
  name: string;
  command(...words: (string | Buffer)[]): Promise<Reply>;
  /** Commands that are carried out together, or not at all. */
  together(commands: readonly (readonly (string | Buffer)[])[]): Promise<Reply[]>;
  close(): Promise<void>;
}

/** Connects. Nothing is sent twice: a connection that breaks fails its commands. */
export async function connectValkey(settings: DatabaseSettings): Promise<ValkeyConnection> {
  const { host, port, database } = settings;
  const name = databaseName(settings);
  const tls = tlsOptions(settings);
  const number = Number(database);
  if (!Number.isInteger(number) || number < 0) {
    const todo = "give the number of a database of Valkey";
    throw new AgentError({ kind: "usage", what: "name of the database", expected: "a number, usually 0", found: database, todo });
  }
  const client = createClient({
    socket: {
      ...{ host, port, connectTimeout: 10_000, keepAlive: true, reconnectStrategy: false as const },
      ...(tls === undefined ? { tls: false as const } : { tls: true as const, ...(isIP(host) === 0 ? { servername: host } : {}), ...tls }),
    },
    // Without one it is the user `default`.
    ...(process.env["DATABASE_USER"] ? { username: process.env["DATABASE_USER"] } : {}),
    password: requiredVariable("DATABASE_PASSWORD", "the password of the database"),
    database: number,
    name: "compute-mesh-agent",
    disableClientInfo: true,
    RESP: 2,
    maintNotifications: "disabled",
    // The library gives up after five seconds, also on commands that only wait for a slow server.
    commandOptions: { timeout: 0, typeMapping: { [RESP_TYPES.BLOB_STRING]: Buffer } },
  });
  // A connection that breaks while it is idle must not end the program; the next command tells.
  client.on("error", () => undefined);
  const telling = async <T>(run: () => Promise<T>): Promise<T> => {
    try {
      return await run();
    } catch (error) {
      throw failure(name, error);
    }
  };
  const command = (words: readonly (string | Buffer)[]): Promise<Reply> => client.sendCommand<Reply>([...words]);
  await telling(() => client.connect());
  return {
    name,
    command: (...words) => telling(() => command(words)),
    together: (commands) =>
      telling(async () => {
        const sent = [["MULTI"], ...commands, ["EXEC"]].map((words) => command(words));
        // The first failure is the one that tells; the others must not go unheard.
        await Promise.allSettled(sent);
        await Promise.all(sent.slice(0, -1));
        return (await sent[sent.length - 1]) as Reply[];
      }),
    close: () => {
      client.destroy();
      return Promise.resolve();
    },
  };
}

/** The first word of a server's error, where it is one. */
export function valkeyErrorOf(error: unknown): string | undefined {
  const cause = error instanceof AgentError ? error.cause : error;
  return cause instanceof ErrorReply ? cause.message.split(" ")[0] : undefined;
}

const rights = "allow the user of the agent to read and write all keys of the mesh, and to run scripts";

/** First word → what to do. */
const advice: Record<string, string> = {
  WRONGPASS: "correct user and password in the Secret of the database",
  NOAUTH: "correct user and password in the Secret of the database",
  NOPERM: rights,
  WRONGTYPE: "a key of the mesh holds something else; remove it",
  READONLY: "it is a replica; give the address of the primary",
};

function failure(name: string, error: unknown): AgentError {
  const word = valkeyErrorOf(error) ?? "";
  return databaseFailure(name, error, advice[word], word === "OOM" ? "the database is full; give it more memory" : undefined);
}
