import type { EngineRequest } from "../../../src/engines";
import { gibibyte, linesOf, pathsOf, planOf, sumOf } from "./support";

const conf = (request: Partial<EngineRequest> = {}, args: object = {}): Record<string, string> =>
  linesOf(planOf({ valkey: args }, request).plan.configFiles["valkey.conf"], " ");

describe("Valkey", () => {
  it("takes the size of the data in memory as its own limit, and never throws rows away", () => {
    expect(conf()).toMatchObject({ maxmemory: String(gibibyte), "maxmemory-policy": "noeviction", appendonly: "no", save: '""' });
    expect(conf({}, { maxMemory: "256Mi" })["maxmemory"]).toBe(String(gibibyte / 4));
    expect(planOf({ valkey: {} }).plan.memory.map((item) => item.what)).toEqual(["maxmemory", "fragmentation", "reserve"]);
  });

  it.each([1, 2, 8, 64])("leaves room for rewriting the log on disk, within %d GiB", (size) => {
    const { plan } = planOf({ valkey: {} }, { memoryBytes: size * gibibyte, tmpfsBytes: undefined });
    expect(sumOf(plan)).toBeLessThanOrEqual(size * gibibyte);
    expect(sumOf(plan)).toBeGreaterThan(size * gibibyte * 0.9);
    expect(conf({ memoryBytes: size * gibibyte, tmpfsBytes: undefined })).toMatchObject({ appendonly: "yes", appendfsync: "everysec" });
  });

  it("keeps one port: with TLS where there is TLS, a second plain one only where that may be", () => {
    expect(conf()).toMatchObject({ port: "6379" });
    expect(conf()).not.toHaveProperty("tls-port");
    expect(conf({ tls: { required: true } })).toMatchObject({ port: "0", "tls-port": "6379", "tls-auth-clients": "no" });
    expect(conf({ tls: { required: false } })).toMatchObject({ port: "6380", "tls-port": "6379" });
    expect(planOf({ valkey: {} }, { tls: { required: false } }).plan).toMatchObject({ port: 6379, plainPort: 6380 });
  });

  it("has one user, known by a hash, who can neither change nor stop the server", () => {
    const start = planOf({ valkey: {} }).plan.configFiles["start.sh"] ?? "";
    expect(start).toContain("user default off");
    expect(start).toContain("on #$hash ~* &* +@all -@admin");
    expect(planOf({ valkey: {} }).plan.credentials).toEqual({ username: "MESH_USER", password: "REDISCLI_AUTH" });
  });

  it("refuses what it cannot do", () => {
    expect(
      pathsOf(
        { valkey: { maxClients: 1, maxMemory: "1Mi", cluster: true } as object },
        { schema: "x", settings: { requirepass: "x", "Bad Name": "y" }, backing: { baseIntervalHours: 1, archiveTimeoutSeconds: 60 } },
      ),
    ).toEqual([
      "engine.valkey.cluster",
      "engine.valkey.maxClients",
      "settings.requirepass",
      'settings["Bad Name"]',
      "backingStore",
      "schema",
      "engine.valkey.maxMemory",
    ]);
  });
});

describe("the choice of an engine", () => {
  it("takes exactly one", () => {
    expect(planOf({ postgres: {}, valkey: {} }).errors).toEqual([expect.stringContaining("engine: exactly one engine is needed")]);
    expect(planOf({ valkey: "yes" as unknown as object }).errors).toEqual(["engine.valkey: an object is allowed, {} for the defaults"]);
  });
});
