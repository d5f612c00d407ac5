/** What connections to the engines have in common: TLS, and failures as a person can use them. */
import { readFileSync } from "node:fs";
import { AgentError, messageOf } from "../errors";
import type { DatabaseSettings } from "./database";

/** Options of Node's TLS; undefined where the connection is not encrypted. Without a file the authorities are those that Node comes with. */
export function tlsOptions({ tls }: DatabaseSettings): { rejectUnauthorized: true; ca?: Buffer } | undefined {
  return tls === undefined
    ? undefined
    : { rejectUnauthorized: true, ...(tls.caFile === undefined ? {} : { ca: readAuthority(tls.caFile) }) };
}

/** How messages call a database. */
export function databaseName({ host, port, database }: DatabaseSettings): string {
  return `database ${database} at ${host}:${port}`;
}

/** Of Node's TLS: no second try cures them. */
const certificateCodes = /^(SELF_SIGNED|DEPTH_ZERO|UNABLE_TO_|CERT_|ERR_TLS)/;

/** What to do about a certificate. */
export const certificateAdvice = "check the certificate of the database and database.tls.caFile";

/**
 * A failure of the database.
 *
 * @param advice what to do, where the failure is one that trying again does not cure
 * @param passing what to do while the agent tries again
 */
export function databaseFailure(
  name: string,
  error: unknown,
  advice?: string,
  passing = "check that the database is running; the agent tries again",
): AgentError {
  if (error instanceof AgentError) {
    return error;
  }
  const code = (error as { code?: unknown }).code;
  const isCertificate = typeof code === "string" && certificateCodes.test(code);
  const known = advice ?? (isCertificate ? certificateAdvice : undefined);
  return new AgentError({
    kind: "unreachable",
    what: name,
    expected: "an answer",
    found: messageOf(error),
    todo: known ?? passing,
    retry: known === undefined,
    cause: error,
  });
}

function readAuthority(file: string): Buffer {
  try {
    return readFileSync(file);
  } catch (error) {
    const todo = "mount the certificate authority of the database, or correct database.tls.caFile";
    throw new AgentError({ kind: "usage", what: file, expected: "a readable file", found: messageOf(error), todo, cause: error });
  }
}
