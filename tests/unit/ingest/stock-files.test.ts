/**
 * The settings of a stock engine as the component emits them, kept where the tests of `ingest/` run the real programs with them through kills, crashes and
 * cut connections. After a change of `src/ingest`: `UPDATE_STOCK_FILES=1 npx jest --selectProjects unit stock-files`, then `go test ./internal/endtoend`.
 */
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { normalizeShardedIngest } from "../../../src/components/sharded-ingest-plan";
import { renderStockConfig, stockPrograms } from "../../../src/ingest/stock";
import { createShardMap } from "../../../src/model/shard-map";

const folder = join(__dirname, "../../../ingest/internal/endtoend/testdata");

/** The settings for one topic of four partitions, one for each shard. */
function settingsOf(program: string): Record<string, string> {
  const place = { zone: "z", region: "r", cluster: "c", provider: "local" };
  const node = { name: "a", ...place, weight: 1, selector: { "compute-mesh.dev/mesh": "demo" }, labels: {}, taints: [] };
  const brokers = ["kafka-0.kafka:9092"];
  const database = { name: "db", engine: "postgres", serviceName: "db", port: 5432, database: "mesh", secretName: "db-credentials" };
  const plan = normalizeShardedIngest("facts", {
    namespace: "mesh",
    nodes: [{ ...node, kubernetesNodeName: "a" }],
    shardMap: createShardMap([["a"], ["a"], ["a"], ["a"]], 1),
    topics: { events: { partitions: 4 } },
    kafka: { brokers },
    database,
    engine: { stock: { program, batchSize: 1000, batchPeriodMilliseconds: 20 } },
  });
  const { stock } = plan.engine;
  if (stock === undefined) {
    throw new Error("another engine");
  }
  const config = renderStockConfig({ ...stock, clientId: "compute-mesh-facts", security: plan.security, database, brokers });
  return { "config.yaml": config, ...stock.files };
}

describe.each(Object.keys(stockPrograms))("the settings of %s", (program) => {
  it("are those that pass the tests with the real program", () => {
    const file = join(folder, `stock-${program}.json`);
    const text = `${JSON.stringify(settingsOf(program), undefined, 2)}\n`;
    if (process.env["UPDATE_STOCK_FILES"] !== undefined) {
      writeFileSync(file, text);
    }
    expect(readFileSync(file, "utf8")).toBe(text);
  });
});
