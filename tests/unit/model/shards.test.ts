import fc from "fast-check";
import { Problems } from "../../../src/model/errors";
import { checkReshard, checkShardPlan, partitionsOfShard, shardOfPartition, type ShardPlan } from "../../../src/model/shards";

const plan: ShardPlan = { shardCount: 4, topics: { orders: { partitions: 8 }, quotes: { partitions: 6 } } };

function paths(check: (problems: Problems) => void): string[] {
  const problems = new Problems("mesh");
  check(problems);
  return problems.all.map((problem) => problem.path);
}

describe("shards", () => {
  it("cover every partition of every topic exactly once", () => {
    const plans = fc.record({
      shardCount: fc.integer({ min: 1, max: 100 }),
      topics: fc.dictionary(fc.stringMatching(/^[a-z]{1,9}$/), fc.record({ partitions: fc.integer({ min: 1, max: 400 }) })),
    });
    fc.assert(
      fc.property(plans, (random) => {
        const shards = Array.from({ length: random.shardCount }, (_unused, shard) => partitionsOfShard(random, shard));
        for (const [topic, { partitions }] of Object.entries(random.topics)) {
          const covered = shards.flatMap((shard) => shard[topic]).sort((a, b) => a - b);
          expect(covered).toEqual(Array.from({ length: partitions }, (_unused, partition) => partition));
          shards.forEach((shard, index) =>
            expect(shard[topic].every((partition) => shardOfPartition(random, partition) === index)).toBe(true),
          );
        }
      }),
    );
    expect(partitionsOfShard(plan, 1)).toEqual({ orders: [1, 5], quotes: [1, 5] });
    expect(partitionsOfShard(plan, 3)).toEqual({ orders: [3, 7], quotes: [3] });
  });

  it("are refused where some would cover nothing of a topic", () => {
    const problems = new Problems("mesh");
    checkShardPlan(problems, "", { shardCount: 4, topics: { orders: { partitions: 3 }, quotes: { partitions: 4 } } });
    expect(() => problems.throwIfAny()).toThrow(
      "mesh: topics.orders.partitions: 3 is not allowed: at least one partition for each of the 4 shards is needed, else 1 shard covers nothing of the topic",
    );
  });

  it("report everything wrong in a plan at once", () => {
    const wrong = {
      shardCount: 0,
      topics: { "no/slash": { partitions: 1.5 }, "..": { partitions: 1 }, good: { partition: 4 } },
    } as unknown as ShardPlan;
    expect(paths((p) => checkShardPlan(p, "args", wrong))).toEqual([
      "args.shardCount",
      'args.topics["no/slash"]',
      'args.topics["no/slash"].partitions',
      'args.topics[".."]',
      "args.topics.good.partition",
      "args.topics.good.partitions",
    ]);
    expect(paths((p) => checkShardPlan(p, "", { shardCount: 65537, topics: {} }))).toEqual(["shardCount"]);
  });

  it("never change silently", () => {
    const problems = new Problems("mesh");
    checkReshard(problems, "", plan, { shardCount: 8, topics: { ...plan.topics, orders: { partitions: 16 } } });
    expect(problems.all.map((problem) => [problem.path, problem.allowed])).toEqual([
      ["shardCount", expect.stringContaining("create a second mesh with 8 shards, move the data by restoring a snapshot")],
      ["topics.orders.partitions", expect.stringContaining("create a new topic with 16 partitions")],
    ]);
  });

  it("allow topics to come and go", () => {
    expect(
      paths((p) => checkReshard(p, "", plan, { shardCount: 4, topics: { orders: { partitions: 8 }, trades: { partitions: 4 } } })),
    ).toEqual([]);
  });
});
