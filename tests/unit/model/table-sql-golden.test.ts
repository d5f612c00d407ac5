/** The tests of ingest (Go) run the very statements that the component hands to it; these files are how they know them. */
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { createTablesSql, type SqlDialect } from "../../../src/model/table-sql";
import { columnTypes, type TableFacts } from "../../../src/model/tables";

/** One table as of the tests in ingest/internal/sink/sinktest, one with a column of every type. */
const tables: TableFacts[] = [
  { name: "events", columns: [{ name: "n", type: "int64", from: ["n"], required: true }], document: true },
  { name: "typed", columns: columnTypes.map((type) => ({ name: `a_${type}`, type, from: [type], required: false })), document: true },
];

describe.each<[SqlDialect, string]>([
  ["mysql", "mysql"],
  ["clickhouse", "clickhouse"],
])("the statements that ingest is tested with, %s", (dialect, folder) => {
  it("are those of the model (UPDATE_GOLDEN=1 writes them)", () => {
    const path = join(__dirname, "../../../ingest/internal", folder, "testdata/create.sql");
    const text = `${createTablesSql(dialect, tables).join(";\n\n")};\n`;
    if (process.env["UPDATE_GOLDEN"] === "1") {
      writeFileSync(path, text);
    }
    expect(existsSync(path) ? readFileSync(path, "utf8") : "").toBe(text);
  });
});
