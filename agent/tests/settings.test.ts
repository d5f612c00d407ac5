/** The pod's files, the schedule and the key. */
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { createAttempt, takeOverSeconds } from "../src/attempt";
import { decrypt, encrypt, readKey } from "../src/encryption";
import { exitCodeOf } from "../src/errors";
import { run } from "../src/main";
import { latestTime } from "../src/runner";
import { readNodeShards, readRetention } from "../src/pod-files";
import { parseSettings, readSettings } from "../src/settings";
import { contextWith, removeFolder, settingsText, snapshotId, temporaryFolder, tradesTable, writePodFiles } from "./support";

let folder: string;
beforeEach(() => {
  folder = temporaryFolder();
});
afterEach(() => removeFolder(folder));

describe("settings", () => {
  it("reads what the SnapshotGroup writes", () => {
    writePodFiles(folder, {}, { shards: "0,1", primary: "1" });
    expect(readSettings(folder)).toMatchObject({
      name: "hourly",
      plan: { shardCount: 2, topics: { orders: { partitions: 4 } } },
      tables: { "trade.log": tradesTable },
      shardMap: { version: "v", replicas: 1 },
      tends: false,
      unpinnedGraceSeconds: 600,
    });
    expect(readRetention(folder)).toEqual({ keep: { last: 2 }, pinned: [] });
    expect(readNodeShards(join(folder, "node.env"), 2)).toEqual({ node: "node-a", shards: [0, 1], primary: [1] });
    writePodFiles(folder, {}, { shards: "", primary: "" });
    expect(readNodeShards(join(folder, "node.env"), 2)).toEqual({ node: "node-a", shards: [], primary: [] });
  });

  it("takes a directory in place of the node's file for a node that the shard map does not name", () => {
    process.env["NODE_NAME"] = "k-9";
    expect(readNodeShards(folder, 2)).toEqual({ node: "k-9", shards: [], primary: [] });
    delete process.env["NODE_NAME"];
    expect(() => readNodeShards(folder, 2)).toThrow("environment variable NODE_NAME");
  });

  it("tells everything that is wrong at once", () => {
    writeFileSync(
      join(folder, "settings.json"),
      settingsText({
        schedule: "0 0 31 2 *",
        store: { s3: {}, gcs: {} },
        database: { engine: "mysql", host: "h", port: 0, database: "d" },
      }),
    );
    expect(() => readSettings(folder)).toThrow(
      /schedule: .*never fires.*store: .*exactly one.*database\.engine: "mysql".*database\.port: 0/,
    );
    writeFileSync(join(folder, "settings.json"), settingsText().replace("v1alpha1", "v9"));
    expect(() => readSettings(folder)).toThrow("compute-mesh.dev/v9");
    expect(() => readNodeShards(join(folder, "none"), 2)).toThrow("mount the node's file of the shard map");
    writePodFiles(folder, {}, { shards: "0,7", primary: "1" });
    expect(() => readNodeShards(join(folder, "node.env"), 2)).toThrow(/MESH_SHARDS: 7 .*MESH_PRIMARY_SHARDS: \[1\]/);
  });

  it.each<[string, (table: Record<string, any>) => void, string]>([
    ["the name alone", (table) => Object.keys(table).forEach((key) => delete table[key]), 'topics["trade.log"].table.name'],
    ["an unknown member", (table) => (table["extra"] = 1), "unknown key"],
    ["a reserved column", (table) => (table["columns"][0].name = "off"), "every table has a column of this name"],
    ["an unknown type", (table) => (table["columns"][0].type = "blob"), '"blob"'],
    ["a column twice", (table) => (table["columns"][1] = table["columns"][0]), "each column once"],
    ["members as text", (table) => (table["columns"][0].from = "a.b"), "columns[0].from"],
    ["nothing of a record", (table) => (table["columns"] = []), "without columns the document is all there is"],
    ["the table of another topic", (table) => (table["name"] = "orders"), 'it is the table of topic "orders" already'],
    ["a table of the mesh", (table) => (table["name"] = "mesh_cuts"), "the mesh itself keeps a table of this name"],
  ])("refuses a table with %s", (_what, change, message) => {
    const settings = JSON.parse(settingsText()) as Record<string, any>;
    change(settings["topics"]["trade.log"]["table"] as Record<string, any>);
    expect(() => parseSettings(JSON.stringify(settings))).toThrow(message);
  });

  it("refuses an engine that it does not know, and members of TLS that it does not know", () => {
    const database = { engine: "postgres", host: "h", port: 1, database: "d" };
    expect(parseSettings(settingsText({ database: { ...database, tls: { caFile: "/ca" } }, tends: true })).tends).toBe(true);
    expect(() => parseSettings(settingsText({ database: { ...database, engine: "oracle" } }))).toThrow('database.engine: "oracle"');
    expect(() => parseSettings(settingsText({ database: { ...database, tls: { ca: "x" } } }))).toThrow("database.tls.ca");
    expect(() => parseSettings(settingsText({ tends: "yes", unpinnedGraceSeconds: -1 }))).toThrow(/tends: .*unpinnedGraceSeconds: -1/s);
  });

  it.each([
    [["verify"]],
    [["take"]],
    [["list", "x"]],
    [["snapshot", "--at", snapshotId]],
    [["snapshot", "--once", "--at", "today"]],
    [["prune", "--force"]],
    [["restore", "yesterday"]],
    [["wait"]],
    [["wait", "newest"]],
    [["fetch", snapshotId]],
    [["fetch", "yesterday", "--to", "/tmp"]],
    [["verify", snapshotId, "--shard", "9"]],
  ])("refuses the words %j with exit code 2", async (words) => {
    const where = writePodFiles(folder, { store: { directory: { path: folder, shared: true } } });
    const code = await run([...words, ...where], new AbortController().signal, () => undefined).catch(exitCodeOf);
    expect(code).toBe(2);
  });
});

describe("the schedule", () => {
  it("makes up for the newest time that was missed, unless it is too old", () => {
    const now = Date.parse("2026-11-21T12:20:00Z");
    expect(latestTime("0 * * * *", now, now - 3_600_000)?.toISOString()).toBe("2026-11-21T12:00:00.000Z");
    expect(latestTime("0 * * * *", now, now - 600_000)).toBeUndefined();
    expect(latestTime("20 * * * *", now, now)?.toISOString()).toBe("2026-11-21T12:20:00.000Z");
  });

  it("gives the primary time before a replica takes over, and never all of it", async () => {
    expect([10, 100, 1000, 3600, 86_400].map(takeOverSeconds)).toEqual([5, 50, 250, 600, 600]);
    const context = await contextWith({ directory: { path: folder, shared: true } }, { allowedLatenessSeconds: 60, timeoutSeconds: 3600 });
    const time = new Date("2026-11-21T06:00:00Z");
    const attempt = createAttempt(context, { node: "n", shards: [0], primary: [] }, snapshotId, time);
    expect([attempt.begin, attempt.takeOver, attempt.deadline].map((at) => (at - time.getTime()) / 1000)).toEqual([60, 660, 3660]);
  });
});

describe("encryption", () => {
  const key = Buffer.alloc(32, 1);
  const all = async (source: AsyncIterable<Buffer>): Promise<Buffer> => {
    const chunks: Buffer[] = [];
    for await (const chunk of source) {
      chunks.push(chunk);
    }
    return Buffer.concat(chunks);
  };
  // eslint-disable-next-line @typescript-eslint/require-await
  const pieces = async function* (bytes: Buffer, size: number): AsyncGenerator<Buffer> {
    for (let at = 0; at < bytes.length; at += size) {
      yield bytes.subarray(at, at + size);
    }
  };

  it.each([0, 1, 65535, 65536, 65537, 300_000])("gives back %d bytes, and nothing of them shortened, changed or moved", async (size) => {
    const plain = Buffer.alloc(size, "some text");
    const secret = await all(encrypt(key, "a")(pieces(plain, 1000)));
    expect((await all(decrypt(key, "a")(pieces(secret, 777)))).equals(plain)).toBe(true);
    for (const length of [secret.length - 1, secret.length - 16, 47 + 65536 + 16, 47, 10, 0].filter((length) => length < secret.length)) {
      await expect(all(decrypt(key, "a")(pieces(secret.subarray(0, length), 777)))).rejects.toThrow("damaged");
    }
    await expect(all(decrypt(key, "b")(pieces(secret, 777)))).rejects.toThrow("damaged");
    secret[secret.length - 1] ^= 1;
    await expect(all(decrypt(key, "a")(pieces(secret, 777)))).rejects.toThrow("damaged");
  });

  it("reads a key of 32 bytes in three forms, and says what else is not one", () => {
    const file = join(folder, "key");
    for (const form of [key, `${key.toString("hex")}\n`, `${key.toString("base64")}\n`]) {
      writeFileSync(file, form);
      expect(readKey(file).equals(key)).toBe(true);
    }
    writeFileSync(file, "secret");
    expect(() => readKey(file)).toThrow(
      "expected a key of 32 bytes, plain, as hexadecimal digits or as base64, found 6 bytes of something else",
    );
  });
});
