/** The tests that every referee has to pass: random models, then one feature after the other. */
import { compareAnswers, firstOf, missingFeatures } from "./differential";
import { checkFeature, serveFeatures } from "./feature";
import { randomModels } from "./random-routes";
import { checkFailover } from "./referee-failover";
import { features } from "./referee-features";
import { askGatherers, askWithoutDefaults } from "./referee-gatherers";
import { checkIsolation, leaksAreSeen } from "./referee-isolation";
import type { Referee, RefereeSource } from "./referees";

/** The whole of it runs with `npm run test:all`; `npm test` has time for a part of what is slow. */
export const whole = process.env["LIVE_LONG"] === "1";

/** The seed of the models; `ROUTES_MODELS` and `ROUTES_SEED` say otherwise than a test file. */
const seed = Number(process.env["ROUTES_SEED"] ?? 20_261_121);

/**
 * Declares the tests.
 *
 * @param models how many random models there are
 * @param batch how many of them are served at once; default: all
 * @param requests how many requests prove that snapshots stay apart
 * @param without features that the target cannot say
 * @param more further tests, which get the running referee
 */
export function describeReferee(
  { title, missing, start }: RefereeSource,
  { models, batch = models, requests }: { models: number; batch?: number; requests: number },
  without: readonly string[],
  more: (referee: () => Referee) => void = () => undefined,
): void {
  const count = Number(process.env["ROUTES_MODELS"] ?? models);
  (missing === undefined ? describe : describe.skip)(missing === undefined ? title : `${title} (${missing})`, () => {
    let referee: Referee;
    let stopped = false;
    beforeAll(async () => {
      referee = await start();
    });
    afterAll(async () => {
      if (!stopped) await referee?.stop();
    });

    const own = Object.entries(features).filter(([name]) => !without.includes(name));
    it("take every feature at once, with every condition true and nothing rejected", async () => {
      await serveFeatures(referee, Object.fromEntries(own));
      expect(await referee.problems()).toEqual([]);
    });

    it.each(own.map(([name, { promise }]) => [name, promise]))("%s: %s", (name) => checkFeature(referee, name, features[name]));

    it(`never answer from another snapshot while snapshots, versions and pods come and go (${requests} requests)`, async () => {
      const result = await checkIsolation(referee, requests, 12);
      process.stderr.write(`isolation: ${result.asked} requests, ${result.changes} changes, statuses ${JSON.stringify(result.statuses)}\n`);
      expect(result.leaks).toEqual([]);
      expect(result.answered).toBeGreaterThan(requests / 10);
      expect(await leaksAreSeen(referee)).toBe(true);
      expect(await referee.problems()).toEqual([]);
    });

    (without.includes("failover") ? it.skip : it)("lose no request while the near place dies and comes back", async () => {
      const { asked, statuses, places } = await checkFailover(referee);
      process.stderr.write(`failover: ${asked} requests, statuses ${JSON.stringify(statuses)}\n`);
      expect(places).toEqual(["near", "far", "near"]);
      expect(Object.keys(statuses)).toEqual(["200"]);
      expect(asked).toBeGreaterThan(1000);
      expect(await referee.problems()).toEqual([]);
    });

    it("answer at once while one of two gatherers is on a node that has died", async () => {
      const { statuses, slow } = await askGatherers(referee, 100);
      process.stderr.write(`gatherers: statuses ${JSON.stringify(statuses)}, ${slow} slow\n`);
      expect(statuses).toEqual({ 200: 100 });
      // Three failures in a row, each tried again elsewhere.
      expect(slow).toBeGreaterThan(0);
      expect(slow).toBeLessThanOrEqual(3);
      const plain = await askWithoutDefaults(referee, 20);
      expect(plain.statuses["503"]).toBeGreaterThan(3);
      expect(await referee.problems()).toEqual([]);
    });

    more(() => referee);

    // Last, because what is served stays, and kgateway checks all of it at every change: hence in batches, of which each takes the place of the one before.
    it(`send the requests of ${count} random models (seed ${seed}) where our matcher says`, async () => {
      const random = randomModels(seed, count, (number) => `m${number}.test`, { target: referee.target });
      // A few models need not have every feature between them.
      if (count >= 200) expect(missingFeatures(random, without)).toEqual([]);
      for (let start = 0; start < count; start += batch) {
        const some = random.slice(start, start + batch);
        await referee.serve(some.map(({ table }, number) => ({ name: `m${number}`, table })));
        expect(await referee.problems()).toEqual([]);
        const comparison = await compareAnswers(referee.network, referee.port, some);
        expect(firstOf(comparison)).toBe("");
        expect(comparison.matched).toBeGreaterThan(3 * some.length);
        expect(await referee.problems()).toEqual([]);
      }
    });

    it("leave no process behind", async () => {
      stopped = true;
      expect(await referee.stop()).toEqual([]);
    });
  });
}
