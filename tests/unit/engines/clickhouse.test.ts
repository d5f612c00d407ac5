import type { EngineRequest } from "../../../src/engines";
import { gibibyte, mebibyte, pathsOf, planOf, sumOf } from "./support";

const file = (name: string, request: Partial<EngineRequest> = {}): string =>
  planOf({ clickhouse: {} }, request).plan.configFiles[name] ?? "";
const value = (text: string, tag: string): string | undefined => new RegExp(`<${tag}>([^<]*)</${tag}>`).exec(text)?.[1];

describe("ClickHouse", () => {
  it.each([1, 2, 8, 64])("never plans more than the limit of %d GiB, and says so in bytes", (size) => {
    for (const tmpfsBytes of [undefined, (size * gibibyte) / 2]) {
      const { plan } = planOf({ clickhouse: {} }, { memoryBytes: size * gibibyte, tmpfsBytes });
      expect(sumOf(plan)).toBeLessThanOrEqual(size * gibibyte + (size === 1 ? 256 * mebibyte : 0));
      const server = plan.memory.find((item) => item.what === "max_server_memory_usage")?.bytes;
      expect(value(plan.configFiles["config.xml"] ?? "", "max_server_memory_usage")).toBe(String(server));
    }
  });

  it("waits for the disk where there is one: offsets must not outlive their rows", () => {
    expect(file("config.xml", { tmpfsBytes: undefined })).toMatch(/fsync_after_insert>1<.*fsync_part_directory>1</s);
    expect(file("config.xml")).not.toContain("fsync");
  });

  it("opens plain ports, TLS ports or both, and clients get the TLS one", () => {
    const ports = (tls?: { required: boolean }): unknown[] => {
      const { plan } = planOf({ clickhouse: {} }, tls === undefined ? {} : { tls });
      const config = plan.configFiles["config.xml"] ?? "";
      return [plan.port, plan.plainPort, ...["http_port", "https_port", "tcp_port", "tcp_port_secure"].map((tag) => value(config, tag))];
    };
    expect(ports()).toEqual([8123, undefined, "8123", undefined, "9000", undefined]);
    expect(ports({ required: true })).toEqual([8443, undefined, undefined, "8443", undefined, "9440"]);
    expect(ports({ required: false })).toEqual([8443, 8123, "8123", "8443", "9000", "9440"]);
  });

  it("lets nobody in while the init files run", () => {
    expect(file("init.xml")).toMatch(/<listen_host>127.0.0.1<\/listen_host>\s*<tcp_port>19000</);
    expect(file("init.xml", { tls: { required: true } })).not.toMatch(/http|0\.0\.0\.0/);
  });

  it("knows its one user by a hash, and takes the user's settings for queries", () => {
    const users = file("users.xml", { username: "owner", settings: { max_threads: "2", format_csv_delimiter: "<&" } });
    expect(users).toMatch(/<owner>\s*<password_sha256_hex from_env="MESH_PASSWORD_SHA256"\/>/);
    expect(users).toContain("<max_threads>2</max_threads>");
    expect(users).toContain("<format_csv_delimiter>&lt;&amp;</format_csv_delimiter>");
    expect(users).not.toContain("<default>\n      <networks>");
  });

  it("is probed by ping, without asking for the name in the certificate", () => {
    expect(planOf({ clickhouse: {} }).plan.readyCommand.at(-1)).toBe("http://127.0.0.1:8123/ping");
    const secure = planOf({ clickhouse: {} }, { tls: { required: true } }).plan.readyCommand;
    expect(secure.slice(-2)).toEqual(["--no-check-certificate", "https://127.0.0.1:8443/ping"]);
  });

  it("refuses what it cannot do", () => {
    expect(
      pathsOf(
        { clickhouse: { serverMemory: "1Mi", database: "My DB", keeper: true } as object },
        { settings: { readonly: "0", "max-threads": "2" }, backing: { baseIntervalHours: 1, archiveTimeoutSeconds: 60 } },
      ),
    ).toEqual([
      "engine.clickhouse.keeper",
      "engine.clickhouse.database",
      "settings.readonly",
      "settings.max-threads",
      "backingStore",
      "engine.clickhouse.serverMemory",
    ]);
  });
});
