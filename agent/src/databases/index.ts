/** The engines that the agent knows. */
import type { DatabaseEngineName } from "../../../src/model/database-engines";
import { clickhouse } from "./clickhouse";
import type { DatabaseEngine, DatabaseSession, DatabaseSettings } from "./database";
import { mysql } from "./mysql";
import { postgres } from "./postgres";
import { valkey } from "./valkey";

/** Engine → adapter; the names are those of `database.engine` in the settings. */
const engines: Record<DatabaseEngineName, DatabaseEngine> = { postgres, singlestore: mysql, clickhouse, valkey };

/** Names of the engines, for checks and messages. */
export const engineNames: readonly string[] = Object.keys(engines);

/** @param settings checked: the engine is one of `engineNames` */
export function connectDatabase(settings: DatabaseSettings): Promise<DatabaseSession> {
  return engines[settings.engine as DatabaseEngineName].connect(settings);
}
