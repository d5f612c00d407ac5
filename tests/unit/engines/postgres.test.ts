import type { EngineArgs, EnginePlan } from "../../../src/engines";
import { gibibyte, mebibyte, planOf as plan, sumOf as sum } from "./support";

/** postgresql.conf as a map. */
function conf(enginePlan: EnginePlan): Record<string, string> {
  const lines = (enginePlan.configFiles["postgresql.conf"] ?? "").trimEnd().split("\n");
  return Object.fromEntries(lines.map((line) => [line.slice(0, line.indexOf(" = ")), line.slice(line.indexOf(" = ") + 4, -1)]));
}

describe("PostgreSQL's memory", () => {
  it("divides what tmpfs and reserve leave: a quarter for shared buffers, the rest for connections", () => {
    const { plan: enginePlan } = plan(undefined);
    const free = (2048 - 1024 - 256) * mebibyte;
    expect(conf(enginePlan)).toMatchObject({
      shared_buffers: `${free / 4 / 1024}kB`,
      work_mem: "11796kB",
      max_connections: "50",
      max_wal_size: "131072kB",
    });
    expect(enginePlan.memory.map((item) => item.what)).toEqual(["tmpfs", "shared_buffers", "50 connections x work_mem", "reserve"]);
  });

  it.each([1, 2, 3, 8, 64, 512])("never plans more than the limit of %d GiB", (size) => {
    for (const tmpfsBytes of [undefined, (size * gibibyte) / 4, (size * gibibyte) / 2]) {
      const request = { memoryBytes: size * gibibyte, tmpfsBytes };
      expect(sum(plan(undefined, request).plan)).toBeLessThanOrEqual(request.memoryBytes);
    }
  });

  it("shows an overcommitment in the sum instead of hiding it below PostgreSQL's least sizes", () => {
    expect(sum(plan(undefined, { memoryBytes: 300 * mebibyte, tmpfsBytes: 200 * mebibyte }).plan)).toBeGreaterThan(300 * mebibyte);
  });

  it("takes given sizes as they are", () => {
    const { plan: enginePlan, errors } = plan({ postgres: { sharedBuffers: "64Mi", workMem: "4Mi", maxConnections: 20 } });
    expect(errors).toEqual([]);
    expect(conf(enginePlan)).toMatchObject({ shared_buffers: "65536kB", work_mem: "4096kB", max_connections: "20" });
  });
});

describe("PostgreSQL's configuration", () => {
  it("waits for no disk in memory, but for the kernel on every commit", () => {
    expect(conf(plan(undefined).plan)).toMatchObject({
      fsync: "off",
      full_page_writes: "off",
      synchronous_commit: "on",
      wal_level: "replica",
    });
  });

  it("is durable on disk, with checksums", () => {
    const { plan: enginePlan } = plan(undefined, { tmpfsBytes: undefined });
    expect(conf(enginePlan)).toMatchObject({ fsync: "on", full_page_writes: "on", synchronous_commit: "on", max_wal_size: "1048576kB" });
    expect(enginePlan.env["POSTGRES_INITDB_ARGS"]).toBe("--auth=scram-sha-256 --data-checksums");
  });

  it("archives only with a backing store, and lets nobody in during the replay", () => {
    expect(conf(plan(undefined).plan)).toMatchObject({ archive_mode: "off" });
    const { plan: enginePlan } = plan(undefined, { backing: { baseIntervalHours: 12, archiveTimeoutSeconds: 30 } });
    expect(conf(enginePlan)).toMatchObject({
      archive_mode: "on",
      archive_timeout: "30",
      archive_command: 'sh /etc/compute-mesh/archive.sh "%p" "%f"',
      restore_command: 'sh /etc/compute-mesh/fetch.sh "%f" "%p"',
      hot_standby: "off",
    });
    expect(Object.keys(enginePlan.configFiles)).toEqual([
      "postgresql.conf",
      "pg_hba.conf",
      "archive.sh",
      "fetch.sh",
      "restore.sh",
      "copy.sh",
    ]);
    expect(enginePlan.configFiles["copy.sh"]).toContain("pause 43200;");
    expect(enginePlan.backing).toEqual({
      restoreCommand: ["sh", "/etc/compute-mesh/restore.sh"],
      copyCommand: ["sh", "/etc/compute-mesh/copy.sh"],
    });
  });

  it("asks for a password on every way in", () => {
    const methods = (plan(undefined).plan.configFiles["pg_hba.conf"] ?? "")
      .trim()
      .split("\n")
      .map((line) => line.split(" ").pop());
    expect(new Set(methods)).toEqual(new Set(["scram-sha-256"]));
  });

  it("speaks TLS with the mounted certificate, and nothing else where that is required", () => {
    const tls = (required: boolean): EnginePlan => plan(undefined, { tls: { required } }).plan;
    expect(conf(tls(true))).toMatchObject({
      ssl: "on",
      ssl_cert_file: "/etc/compute-mesh-tls/tls.crt",
      ssl_key_file: "/etc/compute-mesh-tls/tls.key",
    });
    expect(conf(plan(undefined).plan)).not.toHaveProperty("ssl");
    const kinds = (enginePlan: EnginePlan): string[] => [
      ...new Set(
        (enginePlan.configFiles["pg_hba.conf"] ?? "")
          .trim()
          .split("\n")
          .map((line) => line.split(" ")[0] ?? ""),
      ),
    ];
    expect([kinds(tls(true)), kinds(tls(false))]).toEqual([
      ["local", "hostssl"],
      ["local", "host"],
    ]);
  });

  it("quotes the user's settings, and they win over derived ones", () => {
    const { plan: enginePlan } = plan(undefined, { settings: { log_line_prefix: "it's \\", max_wal_size: "96MB" } });
    expect(enginePlan.configFiles["postgresql.conf"]).toContain("log_line_prefix = 'it''s \\\\'\n");
    expect(conf(enginePlan)["max_wal_size"]).toBe("96MB");
  });

  it("makes the table of ingest offsets before the user's schema", () => {
    const { plan: enginePlan } = plan(undefined, { schema: "CREATE TABLE prices (id int);" });
    expect(Object.keys(enginePlan.initFiles)).toEqual(["00-mesh.sql", "10-schema.sql"]);
    expect(enginePlan.initFiles["00-mesh.sql"]).toContain("PRIMARY KEY (topic, partition)");
  });
});

describe("wrong engine arguments", () => {
  it("names the known engines for an unknown one", () => {
    const args = { postgre: {} } as EngineArgs;
    expect(plan(args).errors).toEqual([
      "engine.postgre: unknown engine, perhaps postgres is meant; known engines are postgres, singlestore, clickhouse, valkey",
    ]);
    expect(plan({ oracle: {} } as EngineArgs).errors).toEqual([
      "engine.oracle: unknown engine; known engines are postgres, singlestore, clickhouse, valkey",
    ]);
    expect(plan({}).errors).toEqual(["engine: exactly one engine is needed; known engines are postgres, singlestore, clickhouse, valkey"]);
    expect(plan("postgres" as EngineArgs).errors).toEqual([
      "engine: an object with one engine is allowed; known engines are postgres, singlestore, clickhouse, valkey",
    ]);
  });

  it("reports all wrong arguments and settings at once", () => {
    const postgres = { image: "postgres:latest", database: "My DB", maxConnections: 5, sharedBuffers: "64MB", workmem: "1Mi" };
    const { errors } = plan({ postgres }, { settings: { port: "1", "Bad Name": "x", work_mem: "1MB", log_statement: "a\nb" } });
    expect(errors.map((error) => error.slice(0, error.indexOf(": ")))).toEqual([
      "engine.postgres.workmem",
      "engine.postgres.image",
      "engine.postgres.database",
      "engine.postgres.maxConnections",
      "settings.port",
      'settings["Bad Name"]',
      "settings.work_mem",
      "settings.log_statement",
      "engine.postgres.sharedBuffers",
    ]);
  });
});
