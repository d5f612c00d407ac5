/** The log: one line of JSON per entry on stderr. Results of commands go to stdout. */

export type LogLevel = "info" | "warning" | "error";
export type Log = (level: LogLevel, message: string, fields?: Record<string, unknown>) => void;

/** Writes to `write`, by default stderr. */
export function createLog(write: (line: string) => void = (line) => void process.stderr.write(line)): Log {
  return (level, message, fields = {}) => {
    const entry = { time: new Date().toISOString(), level, message, ...fields };
    write(`${JSON.stringify(entry, (_key, value: unknown) => (typeof value === "bigint" ? value.toString() : value))}\n`);
  };
}
