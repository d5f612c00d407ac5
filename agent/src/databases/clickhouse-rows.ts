/** Rows of ClickHouse as COPY text, and back: its format TabSeparated is the same but for how it writes truth and times. */
import { randomUUID } from "node:crypto";
import { quoteName } from "../../../src/model/table-sql";
import { columnNames, type TableFacts } from "../../../src/model/tables";
import type { ClickhouseConnection, Parameters } from "./clickhouse-connection";
import type { RowWriter } from "./database";

const dialect = "clickhouse";

/** How values are written and read. */
const formats: Parameters = {
  bool_true_representation: "t",
  bool_false_representation: "f",
  output_format_decimal_trailing_zeros: "1",
  date_time_output_format: "simple",
  date_time_input_format: "best_effort",
  // Without it the last bit of a double may change.
  precise_float_parsing: "1",
};

/** A page of a dump has about this size; one that grows beyond the limit is cut short and goes on behind its last row. */
const pageBytes = { aim: 8 * 1024 * 1024, limit: 64 * 1024 * 1024 };
const pageRows = { first: 1000, most: 500_000 };

/**
 * The rows of a partition below an offset, in their order, page by page: a page is read as fast as it comes, because a server gives up on a reader that waits
 * for a slow store.
 */
export async function* dumpRows(
  connection: ClickhouseConnection,
  table: TableFacts,
  partition: number,
  to: bigint,
): AsyncGenerator<Buffer> {
  const columns = columnNames(table).map((name) => (timeColumns(table).includes(name) ? timeText(name) : quoteName(dialect, name)));
  let count = pageRows.first;
  for (let from = 0n; from < to;) {
    const where = `part = ${partition} AND off >= ${from} AND off < ${to} ORDER BY part, off LIMIT ${count}`;
    const query = `SELECT ${columns.join(", ")} FROM ${quoteName(dialect, table.name)} FINAL WHERE ${where} FORMAT TabSeparated`;
    const chunks: Buffer[] = [];
    let size = 0;
    for await (const chunk of connection.read(query, { ...formats, optimize_read_in_order: "1" })) {
      chunks.push(chunk);
      size += chunk.length;
      if (size >= pageBytes.limit && chunk.includes(10)) {
        break;
      }
    }
    const bytes = Buffer.concat(chunks, size);
    const page = bytes.subarray(0, bytes.lastIndexOf(10) + 1);
    const rows = countRows(page);
    if (rows > 0) {
      yield page;
      from = lastOffset(page) + 1n;
    }
    if (rows < count && page.length === size && size < pageBytes.limit) {
      return;
    }
    count = Math.max(1, Math.min(pageRows.most, rows * 8, Math.floor((rows * pageBytes.aim) / Math.max(size, 1))));
  }
}

/** Inserts are blocks of this size at most. */
const insertBytes = 16 * 1024 * 1024;

/** A writer, and how many rows it has written into each table and partition. */
export interface CountingWriter extends RowWriter {
  counts: { table: TableFacts; partition: number; rows: number }[];
}

/**
 * Writes the rows of one partition after the other.
 *
 * @param statementId begins the ids of the statements, by which another attempt ends them
 */
export function rowWriter(connection: ClickhouseConnection, statementId: string): CountingWriter {
  const counts: CountingWriter["counts"] = [];
  let facts: TableFacts;
  let pieces: Buffer[] = [];
  let size = 0;
  const flush = async (): Promise<void> => {
    if (size === 0) {
      return;
    }
    const data = Buffer.concat(pieces, size);
    [pieces, size] = [[], 0];
    const partition = Number(data.subarray(0, data.indexOf(9)).toString("latin1"));
    const rows = countRows(data);
    const columns = columnNames(facts).map((name) => quoteName(dialect, name));
    const statement = `INSERT INTO ${quoteName(dialect, facts.name)} (${columns.join(", ")}) FORMAT TabSeparated`;
    const id = randomUUID();
    await connection.run(
      statement,
      {
        ...formats,
        query_id: `${statementId}${id}`,
        // The server drops what has a token that it has seen: a new one each time, else rows of a shard that comes back would be missing.
        insert_deduplication_token: id,
        async_insert: "0",
        // One block.
        ...{ max_insert_block_size: String(rows + 1), min_insert_block_size_rows: String(rows + 1), input_format_parallel_parsing: "0" },
      },
      data,
    );
    const last = counts.at(-1);
    if (last?.table === facts && last.partition === partition) {
      last.rows += rows;
    } else {
      counts.push({ table: facts, partition, rows });
    }
  };
  return {
    counts,
    begin: (table) => {
      facts = table;
    },
    rows: async (bytes) => {
      pieces.push(bytes);
      size += bytes.length;
      if (size >= insertBytes) {
        await flush();
      }
    },
    end: flush,
  };
}

function timeColumns(table: TableFacts): string[] {
  return ["ts", ...table.columns.filter(({ type }) => type === "timestamp").map(({ name }) => name)];
}

/** As PostgreSQL writes a time: no zeros at the end, and the zone. */
function timeText(name: string): string {
  return `concat(replaceRegexpOne(toString(${quoteName(dialect, name)}), '\\\\.?0+$', ''), '+00')`;
}

function countRows(bytes: Buffer): number {
  let rows = 0;
  for (let at = bytes.indexOf(10); at >= 0; at = bytes.indexOf(10, at + 1)) {
    rows++;
  }
  return rows;
}

function lastOffset(page: Buffer): bigint {
  const start = page.length < 2 ? 0 : page.lastIndexOf(10, page.length - 2) + 1;
  return BigInt(
    page
      .subarray(start, start + 64)
      .toString("latin1")
      .split("\t")[1],
  );
}
