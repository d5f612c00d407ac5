/**
 * Rows of Valkey as COPY text, and back. A row is an entry of a stream; its id is `<offset>-1`, and its fields are the columns that are not null, as text:
 * truth is `true` or `false`, a time is RFC 3339 in UTC with six digits behind the point.
 *
 * Bytes stay as they are: here they are texts of Latin-1, in which every byte is a character.
 */
import { columnNames, type ColumnType, type TableFacts } from "../../../src/model/tables";
import { escapeField, gatherLines, nullText, partsOfTime, splitRows, timeField, valueOfField } from "./copy-text";
import type { RowWriter } from "./database";
import type { Reply, ValkeyConnection } from "./valkey-connection";
import { writeScript } from "./valkey-scripts";

/** The stream of a partition. The braces would keep it whole in a cluster. */
export function streamKey(table: TableFacts, partition: number): string {
  return `mesh:{${table.name}:${partition}}`;
}

/** A page of a dump has about this size. */
const pageBytes = 4 * 1024 * 1024;
const pageEntries = { first: 100, most: 5000 };

/** The rows of a partition below an offset, in their order. */
export function dumpRows(connection: ValkeyConnection, table: TableFacts, partition: number, to: bigint): AsyncGenerator<Buffer> {
  const key = streamKey(table, partition);
  const columns = columnsOf(table);
  const lines = async function* (): AsyncGenerator<string> {
    let count = pageEntries.first;
    for (let from = "-"; to > 0n;) {
      const entries = (await connection.command("XRANGE", key, from, `(${to}-0`, "COUNT", String(count))) as [Buffer, Buffer[]][];
      let size = 1;
      for (const [id, fields] of entries) {
        const line = lineOf(columns, partition, id.toString("latin1"), fields);
        size += line.length;
        yield line;
      }
      if (entries.length < count) {
        return;
      }
      from = `(${entries[entries.length - 1][0].toString("latin1")}`;
      count = Math.max(1, Math.min(pageEntries.most, count * 4, Math.floor((entries.length * pageBytes) / size)));
    }
  };
  return gatherLines(lines(), "latin1");
}

function lineOf(columns: readonly Column[], partition: number, id: string, fields: readonly Buffer[]): string {
  const values = new Map<string, string>();
  for (let at = 0; at < fields.length; at += 2) {
    values.set(fields[at].toString("latin1"), fields[at + 1].toString("latin1"));
  }
  const cells = columns.map(({ name, type }) => {
    const value = values.get(name);
    return value === undefined
      ? nullText
      : type === "boolean"
        ? value.charAt(0)
        : type === "timestamp"
          ? timeField(value)
          : escapeField(value);
  });
  return [partition, id.split("-")[0], ...cells].join("\t");
}

const batch = { rows: 1000, bytes: 1024 * 1024 };

/**
 * Writes rows batch by batch, each batch by a script that fails where another attempt has begun.
 *
 * @param attempt key and value by which this attempt is known
 */
export function rowWriter(connection: ValkeyConnection, attempt: { key: string; id: string }): RowWriter {
  let facts: TableFacts;
  let columns: Column[] = [];
  let partition = "";
  let words: (string | Buffer)[] = [];
  let [rows, bytes] = [0, 0];
  const flush = async (): Promise<void> => {
    if (rows > 0) {
      const args = words;
      [words, rows, bytes] = [[], 0, 0];
      await connection.command("EVAL", writeScript, "2", attempt.key, streamKey(facts, Number(partition)), attempt.id, ...args);
    }
  };
  return {
    begin: (table) => {
      facts = table;
      columns = columnsOf(table);
    },
    rows: async (piece) => {
      for (const [part, offset, ...fields] of splitRows(piece, "latin1")) {
        partition = part;
        const entry = columns.flatMap(({ name, type }, index) => {
          const value = storedValue(type, fields[index]);
          return value === null ? [] : [name, Buffer.from(value, "latin1")];
        });
        words.push(offset, String(entry.length), ...entry);
        rows++;
        bytes += fields.reduce((sum, { length }) => sum + length, 0);
        if (rows >= batch.rows || bytes >= batch.bytes) {
          await flush();
        }
      }
    },
    end: flush,
  };
}

function storedValue(type: ColumnType, field: string): string | null {
  if (field === nullText) {
    return null;
  }
  if (type === "timestamp") {
    const { date, time, fraction } = partsOfTime(field);
    return `${date}T${time}.${fraction}Z`;
  }
  return type === "boolean" ? (field === "t" ? "true" : "false") : valueOfField(field);
}

interface Column {
  name: string;
  type: ColumnType;
}

/** All columns but partition and offset, which are the key and the id. */
function columnsOf(table: TableFacts): Column[] {
  const types: ColumnType[] = ["timestamp", "text", ...table.columns.map(({ type }) => type), "json"];
  return columnNames(table)
    .slice(2)
    .map((name, index) => ({ name, type: types[index] }));
}

/** The offset of the first entry; undefined where there is none. */
export function firstOffsetOf(reply: Reply): bigint | undefined {
  const [entry] = reply as [Buffer, Buffer[]][];
  return entry === undefined ? undefined : BigInt(entry[0].toString("latin1").split("-")[0]);
}
