import { Problems } from "../../../src/model/errors";
import {
  checkTableNames,
  createSnapshotViewsSql,
  createTablesSql,
  dropSnapshotViewsSql,
  quoteName,
  snapshotView,
  type SqlDialect,
} from "../../../src/model/table-sql";
import { columnTypes, type TableFacts } from "../../../src/model/tables";

const dialects: SqlDialect[] = ["postgres", "mysql", "clickhouse"];
const table: TableFacts = {
  name: "orders",
  columns: columnTypes.map((type) => ({ name: `c_${type}`, type, from: [type], required: type === "int64" })),
  document: true,
};
const snapshot = "20261121t0600z";

describe.each(dialects)("the SQL of %s", (dialect) => {
  it("makes three tables of the mesh and one per topic, each only where it is missing", () => {
    const statements = createTablesSql(dialect, [table, { name: "trades", columns: [], document: true }]);
    const created = statements.map((sql) => /^CREATE TABLE IF NOT EXISTS ["`]?(\w+)/.exec(sql)?.[1]);
    expect(created).toEqual(["mesh_offsets", "mesh_shards", "mesh_cuts", "orders", "trades"]);
  });

  it("has every column in the order of snapshots, nullable unless it is required", () => {
    const sql = createTablesSql(dialect, [table]).at(-1) ?? "";
    const lines = sql.split("\n").filter((line) => /^ {2}["`]?[a-z]\w*["`]? /.test(line) && !line.includes("PRIMARY KEY"));
    const names = lines.map((line) => line.trim().split(" ")[0]?.replace(/["`]/g, ""));
    expect(names).toEqual(["part", "off", "ts", "key", ...table.columns.map(({ name }) => name), "doc"]);
    const nullable = lines.filter((line) => (dialect === "clickhouse" ? line.includes("Nullable(") : !line.includes("NOT NULL")));
    expect(nullable).toHaveLength(1 + (columnTypes.length - 1) + 1);
  });

  it("quotes names that are reserved words", () => {
    const word: TableFacts = {
      name: "order",
      columns: [{ name: "select", type: "text", from: ["select"], required: false }],
      document: false,
    };
    const sql = [...createTablesSql(dialect, [word]), ...createSnapshotViewsSql(dialect, snapshot, { t: word }, 4)].join("\n");
    expect(sql).toContain(quoteName(dialect, "select"));
    expect(sql).not.toMatch(/[^"`]\bselect\b[^"`]/);
    expect(sql).not.toMatch(/[^"`]\border\b[^"`]/);
  });

  it("shows the rows below the cuts of one topic and snapshot, with the shard in front", () => {
    const view = createSnapshotViewsSql(dialect, snapshot, { "orders.v1": table }, 16).at(-1) ?? "";
    expect(view).toContain(`VIEW ${snapshotView(dialect, snapshot, table)} AS\nSELECT`);
    expect(view).toMatch(/part % 16 AS shard/);
    expect(view).toContain("off < cut.next_offset");
    expect(view).toMatch(/snapshot["`]? = '20261121t0600z' AND .*topic["`]? = 'orders\.v1'/s);
  });

  it("takes views away before their cuts", () => {
    const drops = dropSnapshotViewsSql(dialect, snapshot, [table]);
    expect(drops[0]).toMatch(
      dialect === "mysql" ? /^DROP VIEW IF EXISTS `snap_20261121t0600z_orders`$/ : /^DROP (SCHEMA|DATABASE) IF EXISTS "snap_/,
    );
    expect(drops.at(-1)).toMatch(/mesh_cuts .*20261121t0600z/);
  });
});

describe("names of tables", () => {
  const problemsOf = (dialect: SqlDialect, name: string): string[] => {
    const problems = new Problems("ingest");
    checkTableNames(problems, "topics", dialect, { orders: { name, columns: [], document: true } });
    return problems.all.map(({ path }) => path);
  };

  it("leave room for the name of a snapshot's view", () => {
    const view = snapshotView("mysql", snapshot, { name: "x".repeat(44), columns: [], document: true });
    expect(view.replaceAll("`", "").length).toBeLessThanOrEqual(64);
    expect(problemsOf("mysql", "x".repeat(44))).toEqual([]);
    expect(problemsOf("mysql", "x".repeat(45))).toEqual(["topics.orders.table"]);
    expect(problemsOf("postgres", "x".repeat(63))).toEqual([]);
  });
});
