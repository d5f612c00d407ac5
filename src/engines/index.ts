/** The database engines that are built in. A new one is one file beside this, one entry here and one member of `EngineArgs`. */
import { isObject, nearestWord } from "../model/checks";
import { keyPath, type Problems } from "../model/errors";
import type { EnginePlan, EngineRequest } from "./engine";
import { postgres, type PostgresArgs } from "./postgres";

export type { BackingPlan, BackingRequest, DatabaseEngine, EnginePlan, EngineRequest, MemoryItem } from "./engine";
export { meshOffsetsSql, postgres, postgresImage, type PostgresArgs } from "./postgres";

/** The engine of a local database: exactly one member. */
export interface EngineArgs {
  /** PostgreSQL. */
  postgres?: PostgresArgs;
}

/** Names of the engines that can be chosen. */
export const engineNames: readonly string[] = [postgres.name];

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
  const chosen = args === undefined ? {} : chosenPostgres(problems, path, args);
  return { engine: postgres.name, plan: postgres.plan(problems, keyPath(path, postgres.name), chosen, request) };
}

function chosenPostgres(problems: Problems, path: string, args: EngineArgs): PostgresArgs {
  const known = `known engines are ${engineNames.join(", ")}`;
  if (!isObject(args)) {
    problems.add(path, args, `an object with one engine is allowed; ${known}`);
    return {};
  }
  for (const key of Object.keys(args)) {
    if (!engineNames.includes(key)) {
      const nearest = nearestWord(key, engineNames);
      problems.add(keyPath(path, key), key, `unknown engine${nearest === undefined ? "" : `, perhaps ${nearest} is meant`}; ${known}`);
    }
  }
  if (Object.keys(args).length === 0) {
    problems.add(path, args, `exactly one engine is needed; ${known}`);
  }
  const chosen: unknown = args.postgres;
  if (chosen !== undefined && !isObject(chosen)) {
    problems.add(keyPath(path, postgres.name), chosen, "an object is allowed, {} for the defaults");
    return {};
  }
  return args.postgres ?? {};
}
