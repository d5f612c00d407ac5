/**
 * What the agent needs of a database engine. One file per engine; `index.ts` chooses.
 *
 * Rows travel as COPY text, whatever the engine: one line per row, columns by tabs in the order of `columnNames`, `\N` for null, and `\\`, `\t`, `\n`,
 * `\r` for what would break that. PostgreSQL, MySQL (`LOAD DATA`) and ClickHouse (`TabSeparated`) all read and write it.
 *
 * Everything here may be done again after a kill at any point, with the same result. An engine with transactions uses one per call; one without
 * orders its writes so that what readers go by (the row of `mesh_shards`, the rows of `mesh_cuts`) comes last and goes first.
 */
import type { ByPartition } from "../../../src/model/offsets";
import type { TableFacts } from "../../../src/model/tables";
import type { PartitionBlock } from "../data-lines";

/** Where the database is; user name and password are in `DATABASE_USER` and `DATABASE_PASSWORD`. */
export interface DatabaseSettings {
  engine: string;
  host: string;
  port: number;
  database: string;
  /** Where given, the connection is encrypted and the server's certificate proven, against `caFile` or the authorities of the system. */
  tls?: { caFile?: string };
}

/** A row of `mesh_shards`. */
export interface HeldShard {
  /** `kafka`, or the id of the snapshot that was restored. */
  source: string;
  /** Since when, RFC 3339. */
  since: string;
}

/** What the tables of the mesh say. Empty where they are not there yet. */
export interface DatabaseState {
  /** Next offset of every partition that the node has ingested. */
  offsets: ByPartition<bigint>;
  /** Shard → where its rows began. */
  shards: Map<number, HeldShard>;
}

/** A consistent look at the database: state and rows of one moment. It ends with the connection. */
export interface DatabaseView extends DatabaseState {
  /** The rows of a partition below the cut, in the order of their offsets. */
  rows(block: PartitionBlock, table: TableFacts): AsyncIterable<Buffer>;
}

/** One shard in the tables. */
export interface ShardTables {
  shard: number;
  /** Topic → partitions of the shard. */
  partitions: Record<string, readonly number[]>;
  /** Topic → table; a topic that is not ingested any more has none. */
  tables: Readonly<Record<string, TableFacts>>;
}

/** Takes the rows of a shard, table by table. */
export interface RowWriter {
  begin(table: TableFacts): Promise<void> | void;
  /** Whole rows. */
  rows(bytes: Buffer): Promise<void>;
  end(): Promise<void>;
}

/** A connection, one for one job. */
export interface DatabaseSession {
  /** For messages, for example `database mesh at localhost:5432`. */
  readonly name: string;
  /** Version of the server, for example `17.6`. */
  version(): Promise<string>;
  /** Makes the tables that are missing. */
  prepare(tables: readonly TableFacts[]): Promise<void>;
  state(): Promise<DatabaseState>;
  /** May be called once for each connection. */
  view(): Promise<DatabaseView>;
  /**
   * What of a shard is there, as text for messages; undefined where there is nothing. An engine without transactions does not count rows that have
   * neither a next offset nor a row of `mesh_shards`: a restoration or a removal that was killed has left them, and `restore` and `hold` remove them.
   */
  remainsOf(shard: ShardTables): Promise<string | undefined>;
  /**
   * Rows, next offsets and the row of `mesh_shards` together, or nothing of them. Whoever takes up the same shard meanwhile waits or fails.
   *
   * @param fill writes the rows; where it fails, nothing stays
   * @returns what is there of the shard already, where it was not restored for that
   */
  restore(
    shard: ShardTables,
    source: string,
    offsets: ByPartition<bigint>,
    fill: (writer: RowWriter) => Promise<void>,
  ): Promise<string | undefined>;
  /** The first offset of every partition of a shard that has rows. */
  firstOffsets(shard: ShardTables): Promise<ByPartition<bigint>>;
  /** Adds the row of `mesh_shards`; false where there is one. */
  hold(shard: ShardTables, source: string): Promise<boolean>;
  /** Removes cuts, rows, offsets and the row of `mesh_shards`; the number of rows. */
  drop(shard: ShardTables): Promise<number>;
  /** Ids of the snapshots that have views or cuts. */
  snapshots(): Promise<string[]>;
  /** Makes the views of a snapshot, or makes them anew where the tables have changed. */
  createViews(snapshot: string, tables: Readonly<Record<string, TableFacts>>, shardCount: number): Promise<void>;
  /** Removes views and cuts of a snapshot; `tables` are those of today, for engines that cannot list the views. */
  dropViews(snapshot: string, tables: readonly TableFacts[]): Promise<void>;
  /** The cuts of a snapshot that are in the database. */
  cuts(snapshot: string): Promise<ByPartition<bigint>>;
  /** Adds the cuts of one shard, all or none. */
  addCuts(snapshot: string, offsets: ByPartition<bigint>): Promise<void>;
  /** Ends the connection; what is not done is undone. */
  close(): Promise<void>;
}

/** An engine: what it is called, and how to reach it. */
export interface DatabaseEngine {
  connect(settings: DatabaseSettings): Promise<DatabaseSession>;
}
