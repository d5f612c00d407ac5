import { gibibyte, linesOf, mebibyte, pathsOf, planOf, sumOf } from "./support";

const mariadb = { singlestore: { server: "mariadb" } };
const options = (request: Parameters<typeof planOf>[1] = {}, args: object = {}): Record<string, string> =>
  linesOf(planOf({ singlestore: { ...mariadb.singlestore, ...args } }, request).plan.configFiles["mesh.cnf"], " = ");

describe("MariaDB", () => {
  it.each([1, 2, 8, 64])("never plans more than the limit of %d GiB", (size) => {
    for (const tmpfsBytes of [undefined, (size * gibibyte) / 4, (size * gibibyte) / 2]) {
      const memoryBytes = size * gibibyte;
      expect(sumOf(planOf(mariadb, { memoryBytes, tmpfsBytes }).plan)).toBeLessThanOrEqual(memoryBytes);
    }
  });

  it("gives a disk's cache all that is left, and a tmpfs little, because it is a cache itself", () => {
    expect(options({ memoryBytes: 8 * gibibyte, tmpfsBytes: undefined })["innodb_buffer_pool_size"]).toBe(
      String((8192 - 192 - 100) * mebibyte),
    );
    expect(options({ memoryBytes: 8 * gibibyte, tmpfsBytes: gibibyte })["innodb_buffer_pool_size"]).toBe(String(512 * mebibyte));
    expect(options({}, { bufferPool: "64Mi" })["innodb_buffer_pool_size"]).toBe(String(64 * mebibyte));
  });

  it("waits for the disk where there is one, and for the kernel everywhere", () => {
    expect(options({ tmpfsBytes: undefined })).toMatchObject({ innodb_flush_log_at_trx_commit: "1" });
    expect(options()).toMatchObject({ innodb_flush_log_at_trx_commit: "2", innodb_doublewrite: "off" });
  });

  it("compares text byte by byte, in UTC, and refuses what does not fit a column", () => {
    expect(options()).toMatchObject({
      collation_server: "utf8mb4_bin",
      default_time_zone: "+00:00",
      sql_mode: expect.stringContaining("STRICT_ALL_TABLES"),
    });
  });

  it("keeps root inside the pod, and passwords out of arguments and files", () => {
    const { plan } = planOf(mariadb);
    expect(plan.env).toEqual({ MARIADB_DATABASE: "mesh", MARIADB_ROOT_HOST: "localhost" });
    expect(plan.credentials).toEqual({ username: "MARIADB_USER", password: "MARIADB_PASSWORD", morePasswords: ["MARIADB_ROOT_PASSWORD"] });
    expect(plan.args).toEqual(["mariadbd"]);
    expect(plan.reservedUsernames).toContain("root");
  });

  it("refuses plain connections where TLS is required", () => {
    expect(options({ tls: { required: true } })).toMatchObject({
      require_secure_transport: "on",
      ssl_key: "/etc/compute-mesh-tls/tls.key",
    });
    expect(options({ tls: { required: false } })).toMatchObject({ require_secure_transport: "off" });
    expect(options()).not.toHaveProperty("ssl_cert");
  });
});

describe("SingleStore", () => {
  it("divides the memory between its two nodes", () => {
    const { plan } = planOf({ singlestore: {} }, { memoryBytes: 16 * gibibyte, tmpfsBytes: 4 * gibibyte });
    expect(plan.env["SINGLESTORE_SET_GLOBAL_MAXIMUM_MEMORY"]).toBe(String((12 * 1024 - 512) / 2));
    expect(sumOf(plan)).toBe(16 * gibibyte);
    // Less than 1 GiB for each is refused by SingleStore itself.
    expect(sumOf(planOf({ singlestore: {} }).plan)).toBeGreaterThan(2 * gibibyte);
  });

  it("takes its licence from a Secret, and variables from the settings", () => {
    const { plan, errors } = planOf(
      { singlestore: { license: { secretName: "vault" }, partitions: 4 } },
      { memoryBytes: 8 * gibibyte, settings: { max_connections: "900" } },
    );
    expect(errors).toEqual([]);
    expect(plan.secretEnv).toEqual({ SINGLESTORE_LICENSE: { secretName: "vault", key: "license" } });
    expect(plan.env).toMatchObject({
      SINGLESTORE_SET_GLOBAL_MAX_CONNECTIONS: "900",
      SINGLESTORE_SET_GLOBAL_DEFAULT_PARTITIONS_PER_LEAF: "4",
    });
  });

  it("asks its user for TLS where that is required", () => {
    const start = (required: boolean): string => planOf({ singlestore: {} }, { tls: { required } }).plan.configFiles["start.sh"] ?? "";
    expect(start(true)).toContain(" REQUIRE SSL;");
    expect(start(false)).not.toContain("REQUIRE SSL");
    expect(start(false)).toContain("--key ssl_key --value /etc/compute-mesh-tls/tls.key");
  });
});

describe("wrong arguments of the MySQL wire", () => {
  it.each<[string, object, Parameters<typeof planOf>[1], string[]]>([
    ["an unknown server", { server: "mysql" }, {}, ["engine.singlestore.server"]],
    ["a licence for MariaDB", { server: "mariadb", license: { secretName: "x" } }, {}, ["engine.singlestore.license"]],
    ["a licence without a Secret", { license: {} }, {}, ["engine.singlestore.license.secretName"]],
    ["partitions out of range", { partitions: 0 }, {}, ["engine.singlestore.partitions"]],
    ["an unpinned image", { image: "mariadb" }, {}, ["engine.singlestore.image"]],
    [
      "settings that the component decides",
      { server: "mariadb" },
      { settings: { "sql-mode": "x", sql_mode: "x" } },
      ["settings.sql-mode", "settings.sql_mode"],
    ],
    ["a backing store", {}, { backing: { baseIntervalHours: 1, archiveTimeoutSeconds: 60 } }, ["backingStore"]],
  ])("refuses %s", (_what, args, request, paths) => {
    expect(pathsOf({ singlestore: args }, request).map((path) => path.replace(/\["(.*)"\]$/, ".$1"))).toEqual(paths);
  });
});
