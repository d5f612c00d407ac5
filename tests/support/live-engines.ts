/** The database engines beside PostgreSQL as pods of a live cluster: how each is asked, and what its mesh is configured with. */
import { execFileSync } from "node:child_process";
import * as fs from "node:fs";
import * as os from "node:os";
import * as path from "node:path";
import type { Truth } from "../../tools/live/produce";
import { clickhouseEngineImage } from "../../tools/live/images/definitions";
import type { LiveMesh, MeshConfig, Pod } from "./live";

/** A row of `orders`. */
export interface Row {
  part: string;
  off: string;
  customer: string;
  amount: string;
}

/** Where a shard's rows began. */
export type Sources = Record<string, string>;

/** One engine in a mesh of its own, which has its name and lives in the namespace of that name. */
export interface LiveEngine {
  name: string;
  /** The mesh's `database`. */
  database: MeshConfig;
  /** Rows of the table, or of a snapshot as services read them. */
  rows(ask: Ask, snapshot?: string): Promise<Row[]>;
  sources(ask: Ask): Promise<Sources>;
  /** What the server says of the setting in `database.settings`. */
  setting(ask: Ask): Promise<string>;
  /** What the server says to somebody without a password. */
  stranger: { command: string; refused: RegExp };
  /** Whether a container that is started anew has lost all data. */
  forgets: boolean;
}

/**
 * Runs a line of the shell in the container of a database and returns what it prints: `$1` is the statement, `$MESH_USER` and `$MESH_PASSWORD` are the
 * credentials.
 */
export type Ask = (line: string, statement?: string) => Promise<string>;

/** Asks the database of a pod. Throws where the line fails. */
export function askIn(mesh: LiveMesh, pod: Pod): Ask {
  return async (line, statement = "") => {
    const { name, namespace, labels } = pod.metadata;
    const secret = `${labels["compute-mesh.dev/component"]}-credentials`;
    const { body } = await mesh.request("GET", `/api/v1/namespaces/${namespace}/secrets/${secret}`);
    const text = (key: string): string => Buffer.from((body as { data: Record<string, string> }).data[key], "base64").toString();
    // Not from the environment of the server's process, which Redis overwrites with its title.
    const credentials = [`MESH_USER=${text("username")}`, `MESH_PASSWORD=${text("password")}`];
    const { code, output } = await mesh.exec(pod, "database", ["env", ...credentials, "sh", "-c", line, "ask", statement]);
    if (code !== 0) {
      throw new Error(`${name}: ${line}: exit code ${code}: ${output.slice(0, 500)}`);
    }
    return output;
  };
}

const lines = (text: string): string[][] =>
  text
    .split("\n")
    .filter((line) => line !== "")
    .map((line) => line.split("\t"));

const rowsOf = (text: string): Row[] => lines(text).map(([part, off, customer, amount]) => ({ part, off, customer, amount }));

/** The engine by two SQL clients that print lines with tabs. */
function sqlEngine(line: string, table: (snapshot?: string) => string): Pick<LiveEngine, "rows" | "sources"> {
  return {
    rows: async (ask, snapshot) => rowsOf(await ask(line, `SELECT part, off, customer, amount FROM ${table(snapshot)}`)),
    sources: async (ask) => Object.fromEntries(lines(await ask(line, "SELECT shard, source FROM mesh_shards")) as [string, string][]),
  };
}

const mariadbLine = 'MYSQL_PWD="$MESH_PASSWORD" mariadb --no-defaults -h 127.0.0.1 --ssl -u "$MESH_USER" -N -B mesh -e "$1"';
const valkeyLine = 'REDISCLI_AUTH="$MESH_PASSWORD" valkey-cli -h 127.0.0.1 --tls --insecure --user "$MESH_USER" --json -3 $1';
const clickhouseLine =
  'wget -q -O - --content-on-error --header "X-ClickHouse-User: $MESH_USER" --header "X-ClickHouse-Key: $MESH_PASSWORD"' +
  ' --post-data "$1" "http://127.0.0.1:8123/?database=mesh"';

/** Secret with the certificate of a mesh's databases. */
export const tlsSecretName = "database-tls";
const tls = { secretName: tlsSecretName };
const resources = { cpu: "200m", memory: "1Gi" };
/** Partitions of the topic, and shards. */
export const partitions = 4;

/** MariaDB, as the server of `singlestore`. */
const mariadb: LiveEngine = {
  name: "mariadb",
  database: {
    engine: { singlestore: { server: "mariadb", maxConnections: 30 } },
    storage: { memory: { size: "384Mi" } },
    settings: { lock_wait_timeout: "4321" },
    ...{ ...resources, tls },
  },
  ...sqlEngine(mariadbLine, (snapshot) => (snapshot === undefined ? "orders" : `snap_${snapshot}_orders`)),
  setting: async (ask) => (await ask(mariadbLine, "SELECT @@GLOBAL.lock_wait_timeout")).trim(),
  stranger: {
    command: "mariadb --no-defaults -h 127.0.0.1 --ssl -u root -e 'SELECT 1' 2>&1 || true",
    refused: /Access denied for user 'root'/,
  },
  forgets: false,
};

const clickhouse: LiveEngine = {
  name: "clickhouse",
  database: {
    engine: { clickhouse: { image: clickhouseEngineImage, serverMemory: "256Mi" } },
    storage: { memory: { size: "256Mi" } },
    settings: { max_threads: "3" },
    ...resources,
  },
  ...sqlEngine(clickhouseLine, (snapshot) => (snapshot === undefined ? "orders FINAL" : `snap_${snapshot}.orders`)),
  setting: async (ask) => (await ask(clickhouseLine, "SELECT getSetting('max_threads')")).trim(),
  stranger: {
    command: "wget -q -O - --content-on-error --post-data 'SELECT 1' http://127.0.0.1:8123/ 2>&1 || true",
    refused: /default: Authentication failed/,
  },
  forgets: false,
};

type Entry = [id: string, fields: string[]];

const valkey: LiveEngine = {
  name: "valkey",
  database: {
    engine: { valkey: {} },
    storage: { memory: { size: "128Mi" } },
    settings: { "hash-max-listpack-entries": "77" },
    ...{ ...resources, memory: "384Mi", tls },
  },
  rows: async (ask, snapshot) => {
    const cuts =
      snapshot === undefined ? {} : (JSON.parse(await ask(valkeyLine, `HGETALL mesh_cuts:${snapshot}`)) as Record<string, string>);
    const rows: Row[] = [];
    for (let part = 0; part < partitions; part++) {
      const cut = cuts[`orders/${part}`];
      // Without a cut the snapshot has nothing of the partition here.
      if (snapshot === undefined || cut !== undefined) {
        const entries = JSON.parse(
          await ask(valkeyLine, `XRANGE mesh:{orders:${part}} - ${cut === undefined ? "+" : `(${cut}-0`}`),
        ) as Entry[];
        rows.push(...entries.map((entry) => rowOf(part, entry)));
      }
    }
    return rows;
  },
  sources: async (ask) => {
    const shards = JSON.parse(await ask(valkeyLine, "HGETALL mesh_shards")) as Record<string, string>;
    return Object.fromEntries(Object.entries(shards).map(([shard, value]) => [shard, (JSON.parse(value) as { source: string }).source]));
  },
  setting: async (ask) => {
    const found = JSON.parse(await ask(valkeyLine, "CONFIG GET hash-max-listpack-entries")) as Record<string, string>;
    return found["hash-max-listpack-entries"];
  },
  stranger: { command: "unset REDISCLI_AUTH; valkey-cli -h 127.0.0.1 --tls --insecure PING 2>&1 || true", refused: /NOAUTH/ },
  forgets: true,
};

function rowOf(part: number, [id, fields]: Entry): Row {
  const field = (name: string): string => fields[fields.indexOf(name) + 1];
  return { part: String(part), off: id.split("-")[0], customer: field("customer"), amount: field("amount") };
}

export const liveEngines: readonly LiveEngine[] = [mariadb, clickhouse, valkey];

/** Counts and sums of rows, by partition and by customer, and how many are there once. */
export interface RowSums {
  rows: number;
  different: number;
  byPartition: Record<string, string>;
  byCustomer: Record<string, string>;
}

export function sumsOfRows(rows: readonly Row[]): RowSums {
  const by = (key: (row: Row) => string): Record<string, string> => {
    const sums = new Map<string, [count: number, sum: number]>();
    for (const row of rows) {
      const [count, sum] = sums.get(key(row)) ?? [0, 0];
      sums.set(key(row), [count + 1, sum + Number(row.amount)]);
    }
    return Object.fromEntries([...sums].map(([name, [count, sum]]) => [name, `${count} ${sum}`]));
  };
  const different = new Set(rows.map(({ part, off }) => `${part}/${off}`)).size;
  return { rows: rows.length, different, byPartition: by(({ part }) => part), byCustomer: by(({ customer }) => customer) };
}

/** What the rows of a truth add up to, each there once. */
export function sumsOfLog({ total, byPartition, byKey }: Truth): RowSums {
  const texts = (sums: Truth["byKey"]): Record<string, string> =>
    Object.fromEntries(Object.entries(sums).map(([name, { count, sum }]) => [name, `${count} ${sum}`]));
  return { rows: total.count, different: total.count, byPartition: texts(byPartition), byCustomer: texts(byKey) };
}

/** A certificate for these names that is its own authority, as the data of a Secret. */
export function certificateData(names: readonly string[]): Record<string, string> {
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), "compute-mesh-certificate-"));
  try {
    const [key, certificate] = ["tls.key", "tls.crt"].map((file) => path.join(folder, file));
    const alternatives = names.map((name) => `DNS:${name}`).join(",");
    const about = ["-days", "2", "-subj", "/CN=databases", "-addext", `subjectAltName=${alternatives}`];
    const kind = ["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"];
    execFileSync("openssl", [...kind, ...about, "-keyout", key, "-out", certificate], { stdio: "pipe" });
    const [keyText, certificateText] = [key, certificate].map((file) => fs.readFileSync(file).toString("base64"));
    return { "tls.key": keyText, "tls.crt": certificateText, "ca.crt": certificateText };
  } finally {
    fs.rmSync(folder, { recursive: true });
  }
}
