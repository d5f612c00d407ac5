/** The engines that the agent knows. */
import type { DatabaseEngine, DatabaseSession, DatabaseSettings } from "./database";
import { postgres } from "./postgres";

/** Engine → adapter; the names are those of `database.engine` in the settings. */
const engines: Record<string, DatabaseEngine> = { postgres };

/** Names of the engines, for checks and messages. */
export const engineNames: readonly string[] = Object.keys(engines);

/** @param settings checked: the engine is one of `engineNames` */
export function connectDatabase(settings: DatabaseSettings): Promise<DatabaseSession> {
  return engines[settings.engine].connect(settings);
}
