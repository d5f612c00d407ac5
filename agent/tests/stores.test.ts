/** What every store must keep, and the S3 protocol against a real server. */
import { randomBytes } from "node:crypto";
import { chmodSync, mkdirSync, readdirSync, rmSync, symlinkSync, utimesSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { Readable } from "node:stream";
import { AgentError, canRetry, exitCodeOf } from "../src/errors";
import { openStore, type StoreSettings } from "../src/stores/open";
import { checkConditionalPut, getText, type ObjectStore, sizeOf } from "../src/stores/store";
import { BlobServiceClient } from "@azure/storage-blob";
import {
  azuriteAccount,
  findAzurite,
  findGcsServer,
  findS3Server,
  freePort,
  noAzurite,
  noGcsServer,
  noS3Server,
  type Server,
  startAzurite,
  startGcs,
  startS3,
} from "./programs";
import { describeWhere, removeFolder, temporaryFolder } from "./support";

async function keysOf(store: ObjectStore, prefix: string): Promise<string[]> {
  const keys: string[] = [];
  for await (const { key } of store.list(prefix)) {
    keys.push(key);
  }
  return keys.sort();
}

async function bytesOf(store: ObjectStore, key: string): Promise<Buffer> {
  const chunks: Buffer[] = [];
  for await (const chunk of (await store.get(key)) as Readable) {
    chunks.push(chunk as Buffer);
  }
  return Buffer.concat(chunks);
}

function keepsTheContract(open: () => Promise<ObjectStore>): void {
  let store: ObjectStore;
  let group: string;

  beforeEach(async () => {
    store = await open();
    group = `group-${randomBytes(4).toString("hex")}`;
  });

  it("creates a small object once and keeps the first", async () => {
    expect(await store.putIfAbsent(`${group}/a/b.json`, "one")).toBe(true);
    expect(await store.putIfAbsent(`${group}/a/b.json`, "two")).toBe(false);
    expect(await getText(store, `${group}/a/b.json`)).toBe("one");
  });

  it("has one winner where many create the same", async () => {
    const results = await Promise.all(Array.from({ length: 8 }, (_unused, index) => store.putIfAbsent(`${group}/race`, `writer ${index}`)));
    expect(results.filter((created) => created)).toHaveLength(1);
    expect(await getText(store, `${group}/race`)).toBe(`writer ${results.indexOf(true)}`);
  });

  it.each([0, 1, 100_000, 20 * 1024 * 1024 + 17])(
    "creates a stream of %d bytes whole and once",
    async (size) => {
      const bytes = randomBytes(size);
      const chunks = (): Readable =>
        Readable.from(
          Array.from({ length: Math.ceil(size / 65536) }, (_unused, index) => bytes.subarray(index * 65536, (index + 1) * 65536)),
        );
      expect(await store.createFrom(`${group}/big.data`, chunks())).toBe(true);
      expect(await store.createFrom(`${group}/big.data`, Readable.from([Buffer.from("other")]))).toBe(false);
      expect(await store.createFrom(`${group}/big.data`, chunks())).toBe(false);
      expect((await bytesOf(store, `${group}/big.data`)).equals(bytes)).toBe(true);
      expect(await sizeOf(store, `${group}/big.data`)).toBe(size);
    },
    60_000,
  );

  it.each([3, 200])("leaves nothing of a stream that fails after %d pieces", async (pieces) => {
    const failing = (async function* (): AsyncGenerator<Buffer> {
      for (let piece = 0; piece < pieces; piece++) {
        yield randomBytes(65536);
      }
      await Promise.resolve();
      throw new AgentError({ kind: "unreachable", what: "the database", expected: "rows", found: "an end", todo: "try again" });
    })();
    await expect(store.createFrom(`${group}/half.data`, Readable.from(failing, { objectMode: false }))).rejects.toThrow(
      "the database: expected rows, found an end",
    );
    expect(await store.get(`${group}/half.data`)).toBeUndefined();
    expect(await keysOf(store, `${group}/`)).toEqual([]);
    expect(await store.putIfAbsent(`${group}/half.data`, "whole")).toBe(true);
  });

  it("lists by prefix, deletes, and takes a second delete", async () => {
    for (const key of ["x/1", "x/2", "xy/3"]) {
      await store.putIfAbsent(`${group}/${key}`, key);
    }
    expect(await keysOf(store, `${group}/x/`)).toEqual([`${group}/x/1`, `${group}/x/2`]);
    expect(await keysOf(store, `${group}/`)).toEqual([`${group}/x/1`, `${group}/x/2`, `${group}/xy/3`]);
    await store.delete(`${group}/x/1`);
    await store.delete(`${group}/x/1`);
    expect(await keysOf(store, `${group}/x/`)).toEqual([`${group}/x/2`]);
    expect(await sizeOf(store, `${group}/x/2`)).toBe(3);
    expect(await sizeOf(store, `${group}/x/1`)).toBeUndefined();
  });

  it("has nothing where nothing is", async () => {
    expect(await store.get(`${group}/none`)).toBeUndefined();
    expect(await keysOf(store, `${group}/`)).toEqual([]);
  });

  it("passes the check of conditional puts, again and again", async () => {
    await checkConditionalPut(store, group);
    await checkConditionalPut(store, group);
  });
}

describe("a directory", () => {
  let folder: string;
  const open = (): Promise<ObjectStore> => openStore({ directory: { path: folder, shared: true } });

  beforeEach(() => {
    folder = temporaryFolder();
  });
  afterEach(() => removeFolder(folder));

  keepsTheContract(open);

  it("leaves no temporary files, and removes those of killed writers after a day", async () => {
    const store = await open();
    await store.createFrom("g/x.data", Readable.from([Buffer.from("x")]));
    expect(readdirSync(join(folder, "g"))).toEqual(["x.data"]);
    writeFileSync(join(folder, "g", ".tmp-new"), "");
    writeFileSync(join(folder, "g", ".tmp-old"), "");
    utimesSync(join(folder, "g", ".tmp-old"), 0, 0);
    expect(await keysOf(store, "g/")).toEqual(["g/x.data"]);
    expect(readdirSync(join(folder, "g")).sort()).toEqual([".tmp-new", "x.data"]);
  });

  it("says what to do where it is not mounted", async () => {
    const store = await open();
    rmSync(folder, { recursive: true });
    for (const call of [store.get("g/x"), store.putIfAbsent("g/x", "x"), keysOf(store, "g/")]) {
      await expect(call).rejects.toThrow("check that the folder is mounted");
    }
    symlinkSync("/dev/null", folder);
    await expect(store.putIfAbsent("g/x", "x")).rejects.toThrow(`directory ${folder}, create g/x`);
    rmSync(folder);
    mkdirSync(folder);
    chmodSync(folder, 0o700);
  });
});

it("does not take a store that ignores the condition", async () => {
  const store = { name: "a careless store", putIfAbsent: () => Promise.resolve(true) } as unknown as ObjectStore;
  await expect(checkConditionalPut(store, "g")).rejects.toThrow("g/conditional-put-check was created twice");
});

const s3Program = findS3Server();

describeWhere(s3Program !== undefined, noS3Server)(`s3 (${(s3Program ?? "").split("/").pop()})`, () => {
  let server: Server;
  const s3 = (changes: object = {}): StoreSettings => ({
    s3: { bucket: "snapshots", endpoint: `http://127.0.0.1:${server.port}`, prefix: "meshes/demo", ...changes },
  });

  beforeAll(async () => {
    server = await startS3(s3Program as string);
    process.env["AWS_ACCESS_KEY_ID"] = "AK";
    process.env["AWS_SECRET_ACCESS_KEY"] = "SK";
  }, 60_000);
  afterAll(() => server.stop());

  keepsTheContract(() => openStore(s3()));

  it("says what is wrong with a bucket that is not there", async () => {
    const error = await openStore(s3({ bucket: "nowhere" }))
      .then((store) => store.putIfAbsent("g/x", "x"))
      .catch((thrown: unknown) => thrown);
    expect(String(error)).toContain("create the bucket or correct its name");
    expect([exitCodeOf(error), canRetry(error)]).toEqual([7, false]);
  });

  it("says what is wrong with the keys", async () => {
    // moto takes every key.
    if (s3Program?.includes("moto") !== true) {
      process.env["AWS_SECRET_ACCESS_KEY"] = "wrong";
      const store = await openStore(s3());
      await expect(store.putIfAbsent("g/x", "x")).rejects.toThrow("check the secret key in the Secret of the store");
      process.env["AWS_SECRET_ACCESS_KEY"] = "SK";
    }
  });

  it("tries again where nobody answers", async () => {
    const store = await openStore(s3({ endpoint: `http://127.0.0.1:${await freePort()}` }));
    const error: unknown = await store.get("g/x").catch((thrown: unknown) => thrown);
    expect(String(error)).toContain("ECONNREFUSED");
    expect(canRetry(error)).toBe(true);
  }, 30_000);
});

const azurite = findAzurite();

describeWhere(azurite !== undefined, noAzurite)("azure blob storage", () => {
  let server: Awaited<ReturnType<typeof startAzurite>>;
  const azure = (container: string): StoreSettings => ({ azureBlob: { account: azuriteAccount, container, prefix: "meshes/demo" } });

  beforeAll(async () => {
    server = await startAzurite(azurite as string);
    process.env["AZURE_STORAGE_CONNECTION_STRING"] = server.connection;
    await BlobServiceClient.fromConnectionString(server.connection).createContainer("snapshots");
  }, 60_000);
  afterAll(() => server.stop());

  keepsTheContract(() => openStore(azure("snapshots")));

  it("says what is wrong with a container that is not there", async () => {
    await expect((await openStore(azure("nowhere"))).putIfAbsent("g/x", "x")).rejects.toThrow("create the container or correct its name");
  });
});

const gcs = findGcsServer();

describeWhere(gcs !== undefined, noGcsServer)("google cloud storage", () => {
  let server: Server;

  beforeAll(async () => {
    server = await startGcs(gcs as string);
    process.env["GCS_API_ENDPOINT"] = `http://127.0.0.1:${server.port}`;
  }, 60_000);
  afterAll(() => server.stop());

  keepsTheContract(() => openStore({ gcs: { bucket: "snapshots", prefix: "meshes/demo" } }));
});
