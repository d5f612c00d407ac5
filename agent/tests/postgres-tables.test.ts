/** What the agent says of tables in a real PostgreSQL that are not those of the settings. */
import { connectDatabase } from "../src/databases";
import type { DatabaseSession } from "../src/databases/database";
import { snapshotShard } from "../src/shard-snapshot";
import {
  describeWhere,
  noPostgres,
  postgresBin,
  createDatabase,
  inDatabase,
  ordersTable,
  tradesTable,
  contextWith,
  fakeKafka,
  records,
  ingest,
  snapshotId,
  temporaryFolder,
  removeFolder,
  withPostgres,
} from "./support";

jest.setTimeout(60_000);

describeWhere(postgresBin !== undefined, noPostgres)("tables that do not fit", () => {
  const server = withPostgres();
  let session: DatabaseSession | undefined;
  let databases = 0;

  afterEach(async () => session?.close());

  async function prepared(sql: string): Promise<string> {
    const database = createDatabase(server, `fit_${databases++}`);
    inDatabase(server, database.database, sql);
    session = await connectDatabase(database);
    return session.prepare([ordersTable, tradesTable]).then(
      () => "",
      (error: Error) => error.message,
    );
  }

  it("are told apart from those that do", async () => {
    expect(
      await prepared(
        "ALTER TABLE trades ADD COLUMN further int; ALTER TABLE orders DROP COLUMN doc; ALTER TABLE orders ADD COLUMN doc jsonb;",
      ),
    ).toBe("");
    const [column] = tradesTable.columns.filter(({ type }) => type === "int64");
    const missing = await prepared(`ALTER TABLE trades RENAME COLUMN "${column.name}" TO total;`);
    expect(missing).toContain("table trades of database");
    expect(missing).toContain(`expected column "${column.name}": bigint, found column "${column.name}": not there`);
    const other = await prepared(`ALTER TABLE orders ALTER COLUMN key TYPE int USING 1; ALTER TABLE orders ALTER COLUMN off TYPE int;`);
    expect(other).toMatch(/expected column "key": text, column "off": bigint, found column "key": integer, column "off": integer/);
  });

  it("are not read into a snapshot, whose rows would look like others", async () => {
    const folder = temporaryFolder();
    try {
      const database = createDatabase(server, "unread");
      const kafka = fakeKafka({ orders: [records(50), [], [], []], "trade.log": [[], []] });
      const context = await contextWith({ directory: { path: folder, shared: true } }, { database });
      ingest(server, "unread", "orders", 0, 50);
      inDatabase(server, "unread", "ALTER TABLE orders RENAME COLUMN doc TO old; ALTER TABLE orders ADD COLUMN doc text;");
      await expect(snapshotShard(context, kafka, snapshotId, 0)).rejects.toThrow('expected column "doc": jsonb, found column "doc": text');
      inDatabase(server, "unread", "ALTER TABLE orders DROP COLUMN doc; ALTER TABLE orders RENAME COLUMN old TO doc;");
      expect(await snapshotShard(context, kafka, snapshotId, 0)).toMatchObject({ done: true, manifest: { rows: 50 } });
    } finally {
      removeFolder(folder);
    }
  });
});
