/** Rows of the MySQL wire as COPY text, and back as INSERT of many rows. */
import { quoteName } from "../../../src/model/table-sql";
import { columnNames, type ColumnType, type TableFacts } from "../../../src/model/tables";
import { escapeField, gatherLines, nullText, partsOfTime, splitRows, timeField, valueOfField } from "./copy-text";
import type { RowWriter } from "./database";
import type { MysqlConnection } from "./mysql-connection";

/** Statements of this size are as fast as larger ones, and below what servers take at least. */
const statementLength = 2 * 1024 * 1024;

const dialect = "mysql";

/** The columns of a table for a statement. */
export function columnList(table: TableFacts): string {
  return columnNames(table)
    .map((name) => quoteName(dialect, name))
    .join(", ");
}

/** The rows of a partition below an offset, in their order, which is that of the primary key. */
export function dumpRows(connection: MysqlConnection, table: TableFacts, partition: number, to: bigint): AsyncGenerator<Buffer> {
  const fields = columnTypesOf(table).map((type) => fieldOf[type] ?? ((text: string): string => text));
  const where = `part = ${partition} AND off < ${to} ORDER BY off`;
  const rows = connection.stream(`SELECT ${columnList(table)} FROM ${quoteName(dialect, table.name)} WHERE ${where}`);
  const lines = async function* (): AsyncGenerator<string> {
    for await (const row of rows) {
      yield row.map((value, index) => (value === null ? nullText : fields[index](value))).join("\t");
    }
  };
  return gatherLines(lines(), "utf8");
}

/**
 * Writes rows by INSERT, within the transaction that is open.
 *
 * Not LOAD DATA LOCAL: it turns values that do not fit, and rows that are there, into warnings, and servers often forbid it.
 */
export function rowWriter(connection: MysqlConnection): RowWriter {
  let head = "";
  let literals: ((field: string) => string)[] = [];
  let values: string[] = [];
  let length = 0;
  const flush = async (): Promise<void> => {
    if (values.length > 0) {
      const statement = `${head}${values.join(",")}`;
      [values, length] = [[], 0];
      await connection.run(statement);
    }
  };
  return {
    begin: (table) => {
      head = `INSERT INTO ${quoteName(dialect, table.name)} (${columnList(table)}) VALUES `;
      literals = columnTypesOf(table).map((type) => literalOf[type] ?? ((field: string): string => field));
    },
    rows: async (bytes) => {
      for (const row of splitRows(bytes, "utf8")) {
        const text = `(${row.map((field, index) => (field === nullText ? "NULL" : literals[index](field))).join(",")})`;
        values.push(text);
        length += text.length;
        if (length >= statementLength) {
          await flush();
        }
      }
    },
    end: flush,
  };
}

/** Type of each column, in the order of `columnNames`. */
function columnTypesOf(table: TableFacts): ColumnType[] {
  return ["int32", "int64", "timestamp", "text", ...table.columns.map(({ type }) => type), ...(table.document ? (["json"] as const) : [])];
}

/** What the server sends, as a field; numbers stay as they are. */
const fieldOf: Partial<Record<ColumnType, (text: string) => string>> = {
  text: escapeField,
  json: escapeField,
  boolean: (text) => (text === "0" ? "f" : "t"),
  timestamp: timeField,
};

/** A field as the server reads it in a statement. */
const literalOf: Partial<Record<ColumnType, (field: string) => string>> = {
  text: textLiteral,
  json: textLiteral,
  boolean: (field) => (field === "t" ? "1" : "0"),
  timestamp: (field) => {
    const { date, time, fraction } = partsOfTime(field);
    return `'${date} ${time}.${fraction}'`;
  },
};

function textLiteral(field: string): string {
  const text = valueOfField(field) ?? "";
  return `'${/['\\]/.test(text) ? text.replace(/['\\]/g, "\\$&") : text}'`;
}
