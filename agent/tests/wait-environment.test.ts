/** How a service's pod tells `wait` where its database is. */
import { engineNames } from "../src/databases";
import { databaseOfEnvironment } from "../src/wait";

describe("the database of the environment", () => {
  const before = { ...process.env };
  afterEach(() => (process.env = { ...before }));

  const given = (variables: Record<string, string>): ReturnType<typeof databaseOfEnvironment> => {
    const place = { DATABASE_HOST: "db", DATABASE_PORT: "5432", DATABASE_NAME: "mesh" };
    process.env = { ...before, ...place, ...variables };
    return databaseOfEnvironment();
  };

  it("is of any engine that the agent knows, by default PostgreSQL, and not encrypted unless something says so", () => {
    expect(given({})).toEqual({ engine: "postgres", host: "db", port: 5432, database: "mesh" });
    expect(engineNames).toEqual(["postgres", "singlestore", "clickhouse", "valkey"]);
    for (const engine of engineNames) {
      expect(given({ DATABASE_ENGINE: engine, DATABASE_TLS: "false" })).toEqual({ engine, host: "db", port: 5432, database: "mesh" });
    }
  });

  it("is encrypted by DATABASE_TLS alone, against the authorities of the system, or by a file", () => {
    expect(given({ DATABASE_TLS: "true" }).tls).toEqual({});
    expect(given({ DATABASE_TLS: "true", DATABASE_CA_FILE: "/ca.crt" }).tls).toEqual({ caFile: "/ca.crt" });
    expect(given({ DATABASE_CA_FILE: "/ca.crt" }).tls).toEqual({ caFile: "/ca.crt" });
  });

  it("is refused where a variable is nothing that it can be", () => {
    expect(() => given({ DATABASE_TLS: "yes" })).toThrow('DATABASE_TLS: "yes"');
    expect(() => given({ DATABASE_ENGINE: "oracle" })).toThrow('DATABASE_ENGINE: "oracle"');
  });
});
