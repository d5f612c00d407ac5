/** Whether the tables of the topics in PostgreSQL are as the settings say. */
import { columnTypesSql } from "../../../src/model/table-sql";
import type { TableFacts } from "../../../src/model/tables";
import { AgentError } from "../errors";
import type { PostgresConnection } from "./postgres-connection";

/** Columns that are missing, or of another type; its length or precision does not count. Whoever reads a table that is not there is told by the server. */
const differences = `SELECT wanted.name AS table, wanted.column, wanted.type, format_type(a.atttypid, a.atttypmod) AS found
FROM jsonb_to_recordset($1::jsonb) AS wanted (name text, "column" text, type text)
LEFT JOIN pg_attribute a ON a.attrelid = to_regclass(quote_ident(wanted.name)) AND a.attname = wanted.column AND a.attnum > 0 AND NOT a.attisdropped
WHERE to_regclass(quote_ident(wanted.name)) IS NOT NULL AND a.atttypid IS DISTINCT FROM to_regtype(wanted.type)::oid
ORDER BY 1, 2`;

/** @throws AgentError of kind `refused` with every column that does not fit */
export async function checkTables(connection: PostgresConnection, tables: readonly TableFacts[]): Promise<void> {
  const wanted = tables.flatMap((table) =>
    Object.entries(columnTypesSql("postgres", table)).map(([column, type]) => ({ name: table.name, column, type })),
  );
  type Row = { table: string; column: string; type: string; found: string | null };
  const found = await connection.query<Row>(differences, [JSON.stringify(wanted)]);
  if (found.length > 0) {
    const [{ table }] = found;
    const own = found.filter((one) => one.table === table);
    throw new AgentError({
      kind: "refused",
      what: `table ${table} of ${connection.name}`,
      expected: own.map(({ column, type }) => `column "${column}": ${type}`).join(", "),
      found: own.map((one) => `column "${one.column}": ${one.found ?? "not there"}`).join(", "),
      todo: "change the table to fit, or give the topic another one; nothing is read from it or written to it",
    });
  }
}
