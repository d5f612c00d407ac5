/** Reads one snapshot in the database of the pod's own node. */
import pg from "pg";

/** Rows that are fetched at once: a stream of any length takes the memory of so many. */
const batchRows = 2000;

export class NotReady extends Error {}

export function openDatabase(settings) {
  const { snapshot, database } = settings;
  const pool = new pg.Pool({ ...database, max: 4, connectionTimeoutMillis: 3000, statement_timeout: 30_000, application_name: "prices" });
  // A connection that breaks while nobody uses it: the next question opens another one.
  pool.on("error", () => undefined);
  return {
    view: `"snap_${snapshot}".orders`,
    /**
     * Rows of a query, batch by batch, all of one moment of the database, in which every asked shard was there up to its cut.
     * An empty shard and a shard that is still being restored look alike in the view; the cuts tell them apart.
     */
    async *read(sql, shards, parameters) {
      const client = await pool.connect();
      let whole = false;
      try {
        await client.query("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY");
        await checkCuts(client, snapshot, shards);
        await client.query(`DECLARE answer NO SCROLL CURSOR FOR ${sql}`, [shards, ...parameters]);
        for (;;) {
          const { rows } = await client.query(`FETCH ${batchRows} FROM answer`);
          if (rows.length === 0) {
            break;
          }
          yield rows;
        }
        await client.query("COMMIT");
        whole = true;
      } finally {
        // A connection in the middle of a transaction is of no use to the next question.
        client.release(!whole);
      }
    },
    /** Throws NotReady, or what the database says. */
    async check(shards) {
      const client = await pool.connect();
      try {
        await client.query(`SELECT FROM "snap_${snapshot}".orders LIMIT 0`);
        await checkCuts(client, snapshot, shards);
      } finally {
        client.release();
      }
    },
    close: () => pool.end(),
  };
}

/** The cuts of a shard are written together, and partition s is one of shard s. */
async function checkCuts(client, snapshot, shards) {
  const { rows } = await client.query("SELECT partition FROM mesh_cuts WHERE snapshot = $1 AND topic = 'orders' AND partition = ANY($2)", [
    snapshot,
    shards,
  ]);
  const there = new Set(rows.map(({ partition }) => partition));
  const missing = shards.filter((shard) => !there.has(shard));
  if (missing.length > 0) {
    throw new NotReady(`snapshot ${snapshot} lacks the shards ${missing.join(", ")} here`);
  }
}
