/** The database engines that are built in. A new one is one file beside this, one entry here and one member of `EngineArgs`. */
import { isObject, nearestWord } from "../model/checks";
import { keyPath, type Problems } from "../model/errors";
import { clickhouse, type ClickhouseArgs } from "./clickhouse";
import type { DatabaseEngine, EnginePlan, EngineRequest } from "./engine";
import { postgres, type PostgresArgs } from "./postgres";
import { singlestore, type SinglestoreArgs } from "./singlestore";
import { valkey, type ValkeyArgs } from "./valkey";

export { tlsPath } from "./engine";
export type { BackingPlan, BackingRequest, DatabaseEngine, EnginePlan, EngineRequest, MemoryItem, TlsRequest } from "./engine";
export { clickhouse, clickhouseImage, type ClickhouseArgs } from "./clickhouse";
export { meshOffsetsSql, postgres, postgresImage, type PostgresArgs } from "./postgres";
export { singlestore, type SecretKeyArgs, type SinglestoreArgs } from "./singlestore";
export { mariadbImage } from "./singlestore-mariadb";
export { singlestoreImage } from "./singlestore-server";
export { valkey, valkeyImage, type ValkeyArgs } from "./valkey";

/** The engine of a local database: exactly one member. */
export interface EngineArgs {
  /** PostgreSQL. The default. */
  postgres?: PostgresArgs;
  /** SingleStore, or MariaDB. */
  singlestore?: SinglestoreArgs;
  /** ClickHouse. */
  clickhouse?: ClickhouseArgs;
  /** Valkey, or Redis. */
  valkey?: ValkeyArgs;
}

const engines: Readonly<Record<string, DatabaseEngine>> = { postgres, singlestore, clickhouse, valkey };

/** Names of the engines that can be chosen. */
export const engineNames: readonly string[] = Object.keys(engines);

/**
 * The plan of the engine that `args` chooses; PostgreSQL with its defaults where `args` is undefined.
 *
 * @param problems takes an unknown engine, none or more than one, and every problem of the chosen one
 * @param path property path of `args`
 */
export function planEngine(
  problems: Problems,
  path: string,
  args: EngineArgs | undefined,
  request: EngineRequest,
): { engine: string; plan: EnginePlan } {
  const { engine, chosen } = args === undefined ? { engine: postgres, chosen: {} } : chosenEngine(problems, path, args);
  return { engine: engine.name, plan: engine.plan(problems, keyPath(path, engine.name), chosen, request) };
}

function chosenEngine(problems: Problems, path: string, args: EngineArgs): { engine: DatabaseEngine; chosen: object } {
  const known = `known engines are ${engineNames.join(", ")}`;
  if (!isObject(args)) {
    problems.add(path, args, `an object with one engine is allowed; ${known}`);
    return { engine: postgres, chosen: {} };
  }
  for (const key of Object.keys(args)) {
    if (!engineNames.includes(key)) {
      const nearest = nearestWord(key, engineNames);
      problems.add(keyPath(path, key), key, `unknown engine${nearest === undefined ? "" : `, perhaps ${nearest} is meant`}; ${known}`);
    }
  }
  const given = engineNames.filter((name) => args[name] !== undefined);
  if (Object.keys(args).length === 0 || given.length > 1) {
    problems.add(path, given.length > 1 ? given : args, `exactly one engine is needed; ${known}`);
  }
  const engine = engines[given[0] ?? postgres.name] ?? postgres;
  const chosen: unknown = args[engine.name];
  if (chosen !== undefined && !isObject(chosen)) {
    problems.add(keyPath(path, engine.name), chosen, "an object is allowed, {} for the defaults");
    return { engine, chosen: {} };
  }
  return { engine, chosen: chosen ?? {} };
}
