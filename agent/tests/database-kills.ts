/** Restoring into every database engine while the agent is killed. */
import { spawn } from "node:child_process";
import { compileAgent } from "./compiled-agent";
import { type Bench, cuts, type Part } from "./database-bench";
import { freePort } from "./programs";
import { removeFolder, snapshotId, temporaryFolder, writePodFiles } from "./support";

export function killPromise(bench: Bench): void {
  it("restores each shard whole or not at all, though it is killed again and again", async () => {
    const source = await bench.ingested();
    // Enough that a restoration lasts longer than the steps of the kills.
    const more = 40_000;
    for (let from = 300; from < more; from += 10_000) {
      await bench.ingest(source, "orders", 1, Math.min(from + 10_000, more), from);
    }
    bench.kafka.logs["orders"][1] = bench.kafka.logs["orders"][1].concat(Array.from({ length: more - 300 }, () => ({ time: 0 })));
    await bench.take(source);
    const target = await bench.withTables();
    const files = temporaryFolder();
    const where = writePodFiles(files, {
      ...{ store: { directory: { path: bench.folder, shared: true } }, database: target, tends: true },
      // Nobody listens there: a restoration from the store needs no Kafka.
      kafka: { brokers: [`127.0.0.1:${await freePort()}`] },
    });
    const agent = compileAgent();
    /** Runs it until something, which is given what it has written so far; returns the milliseconds. */
    const runUntil = async (enough: (log: string) => Promise<boolean> | boolean): Promise<number> => {
      const args = [agent.program, "snapshot", "--port", String(await freePort()), ...where];
      const began = Date.now();
      const child = spawn(process.execPath, args, { stdio: ["ignore", "ignore", "pipe"], env: { ...process.env, ...agent.env } });
      const exit = new Promise((resolve) => child.once("exit", resolve));
      let log = "";
      child.stderr.on("data", (text) => (log += String(text)));
      while (!(await enough(log)) && Date.now() - began < 60_000) {
        await new Promise((resolve) => setTimeout(resolve, 10));
      }
      child.kill("SIGKILL");
      await exit;
      return Date.now() - began;
    };
    const wanted = [`0:${snapshotId}`, `1:${snapshotId}`];
    const parts: (readonly Part[])[] = [
      cuts[0],
      [
        ["orders", 1, 1_000_000],
        ["trade.log", 1, 1000],
      ],
    ];
    const sums = [await bench.below(source, parts[0]), await bench.below(source, parts[1])];
    let cut = 0;
    let usual = 0;
    for (let round = 0; round < 5; round++) {
      const began = Date.now();
      // The second shard follows the first at once; later rounds have the second one only, so they are killed some time after the same beginning.
      const lasted = await runUntil((log) =>
        round === 0 ? log.includes("restored a shard") : Date.now() - began > usual - 200 + round * 100,
      );
      usual = round === 0 ? lasted : usual;
      const { held, offsets } = await bench.state(target);
      cut += held.includes("1:") ? 0 : 1;
      // The row of a shard never comes without its offsets and rows.
      for (const shard of [0, 1].filter((number) => held.includes(`${number}:`))) {
        expect((await bench.below(target, parts[shard])) === sums[shard]).toBe(true);
        expect(String(offsets)).toMatch(shard === 0 ? /^orders 480 .*trade.log 129/ : /^orders .*40000.*trade.log .*70$/);
      }
    }
    await runUntil(async () => (await bench.state(target)).held === wanted.join(" "));
    expect((await bench.state(target)).held).toBe(wanted.join(" "));
    expect((await bench.below(target, parts[1])) === sums[1]).toBe(true);
    expect(cut).toBeGreaterThan(0);
    removeFolder(files);
    agent.remove();
  }, 240_000);
}
