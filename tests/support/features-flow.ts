/** Features through a referee that are about time, shares, copies, and failing pods. */
import { addressesByService } from "./differential";
import { oddPort, podPort, seenBy } from "./echo-network";
import { any, type Feature, placeOf, repeat, statuses, to } from "./feature";

/** The features, by name. */
export const flowFeatures: Record<string, Feature> = {
  weights: {
    promise: "spread requests over destinations by their weights",
    routes: [{ name: "w", match: any, to: [to("f0", 80), to("f1", 20), to("f2", 0)] }],
    check: async (ask) => {
      const places = (await ask(repeat(1000, () => ({ path: "/" })))).map(placeOf);
      expect([...new Set(places)].sort()).toEqual(["f0", "f1"]);
      const share = places.filter((place) => place === "f1").length / places.length;
      // Five standard deviations: one run in 1.7 million leaves it.
      expect(share).toBeGreaterThan(0.137);
      expect(share).toBeLessThan(0.263);
    },
  },
  sticky: {
    promise: "keep a user on one version, by the bucket that the client names",
    routes: [{ name: "s", match: any, to: [to("f0", 75), to("f1", 25)], sticky: {} }],
    check: async (ask) => {
      const buckets = repeat(100, (bucket) => ({ path: "/", headers: { "x-mesh-bucket": String(bucket) } }));
      const [first, second] = [await ask(buckets), await ask(buckets)].map((answers) => answers.map(placeOf));
      expect(first).toEqual(second);
      expect(first.filter((place) => place === "f1")).toHaveLength(25);
    },
  },
  hash: {
    promise: "send the same key to the same pod, and keys to many pods",
    routes: [{ name: "h", match: any, to: [to("many")] }],
    more: { upstreams: [{ kubernetes: { name: "many", port: podPort }, hash: { header: "x-key" } }] },
    check: async (ask) => {
      const keys = repeat(60, (key) => ({ path: "/", headers: { "x-key": `k${key}` } }));
      const pods = async (): Promise<(string | undefined)[]> => (await ask(keys)).map((answer) => seenBy(answer)?.destination);
      const first = await pods();
      expect(await pods()).toEqual(first);
      expect(await pods()).toEqual(first);
      expect(new Set(first).size).toBeGreaterThan(4);
      expect(first).not.toContain(undefined);
    },
  },
  mirror: {
    promise: "send a copy elsewhere, and the answer of the original back",
    routes: [
      { name: "m", match: [{ prefix: "/copy" }], to: [to("f0")], mirrors: [{ kubernetes: { name: "odd", port: oddPort } }] },
      { name: "seen", match: [{ exact: "/seen" }], to: [to("odd")] },
    ],
    check: async (ask) => {
      const key = `mirror-${process.pid}-${process.hrtime.bigint()}`;
      const answers = await ask(repeat(20, () => ({ path: `/copy?key=${key}` })));
      expect(new Set(answers.map(placeOf))).toEqual(new Set(["f0"]));
      let count = 0;
      for (let tries = 0; count < 20 && tries < 20; tries++)
        count = (JSON.parse((await ask([{ path: `/seen?key=${key}` }]))[0].body) as { count: number }).count;
      expect(count).toBe(20);
    },
  },
  timeout: {
    promise: "give up on a request after the route's timeout",
    routes: [{ name: "t", match: any, to: [to("odd")], timeoutSeconds: 0.4 }],
    check: async (ask) => {
      const [fast, slow] = await ask([{ path: "/slow?ms=1" }, { path: "/slow?ms=3000" }]);
      expect(statuses([fast, slow])).toEqual([200, 504]);
      expect(slow.milliseconds).toBeLessThan(2500);
    },
  },
  retries: {
    promise: "try again where the route says so, and only there",
    routes: [
      {
        name: "again",
        match: [{ prefix: "/flaky", headers: { again: "1" } }],
        to: [to("odd")],
        retries: { attempts: 3, on: ["gatewayError"] },
      },
      { name: "once", match: any, to: [to("odd")] },
    ],
    check: async (ask) => {
      const key = (name: string): string => `${name}-${process.hrtime.bigint()}`;
      const again = { again: "1" };
      const answers = await ask(
        [
          { path: `/flaky?bad=2&key=${key("a")}`, headers: again },
          { path: `/flaky?bad=9&key=${key("b")}`, headers: again },
          { path: `/flaky?bad=1&key=${key("c")}` },
          { path: "/reset" },
        ],
        1,
      );
      expect(statuses(answers)).toEqual([200, 503, 503, 503]);
    },
  },
  perTry: {
    promise: "try again where one try takes too long",
    routes: [
      {
        name: "p",
        match: any,
        to: [to("odd")],
        timeoutSeconds: 5,
        retries: { attempts: 2, on: ["gatewayError", "reset"], perTrySeconds: 0.3 },
      },
    ],
    check: async (ask) => {
      const key = `try-${process.hrtime.bigint()}`;
      const [slow, seen] = [await ask([{ path: `/slow?ms=2500&key=${key}` }]), await ask([{ path: `/seen?key=${key}` }])].flat();
      expect(slow.status).toBe(504);
      expect(slow.milliseconds).toBeLessThan(2400);
      expect(JSON.parse(seen.body)).toMatchObject({ count: 3 });
    },
  },
  fault: {
    promise: "delay and fail on purpose",
    routes: [
      { name: "late", match: [{ prefix: "/late" }], to: [to("f0")], fault: { delay: { seconds: 0.4 } } },
      { name: "part", match: [{ prefix: "/part" }], to: [to("f0")], fault: { abort: { status: 418, percent: 40 } } },
    ],
    check: async (ask) => {
      const [late] = await ask([{ path: "/late" }]);
      expect(placeOf(late)).toBe("f0");
      expect(late.milliseconds).toBeGreaterThanOrEqual(395);
      const part = (await ask(repeat(400, () => ({ path: "/part" })))).map(placeOf);
      const share = part.filter((place) => place === 418).length / part.length;
      expect(share).toBeGreaterThan(0.27);
      expect(share).toBeLessThan(0.53);
    },
  },
  circuitBreaker: {
    promise: "answer 503 at once beyond the limits of a destination",
    routes: [{ name: "b", match: any, to: [to("odd-few")], timeoutSeconds: 10 }],
    more: {
      upstreams: [
        { kubernetes: { name: "odd-few", port: oddPort }, circuitBreaker: { maxConnections: 1, maxPendingRequests: 1, maxRequests: 1 } },
      ],
    },
    check: async (ask) => {
      const answers = await ask(
        repeat(8, () => ({ path: "/slow?ms=1000" })),
        8,
      );
      expect(statuses(answers)).toContain(200);
      expect(statuses(answers).filter((status) => status === 503).length).toBeGreaterThanOrEqual(5);
    },
  },
  outlier: {
    promise: "leave out a pod that answers with errors",
    routes: [{ name: "o", match: any, to: [{ kubernetes: { name: "odds", port: oddPort } }] }],
    more: {
      upstreams: [
        {
          kubernetes: { name: "odds", port: oddPort },
          outlierDetection: { consecutiveErrors: 3, intervalSeconds: 0.5, ejectionSeconds: 30, maxEjectionPercent: 100 },
        },
      ],
    },
    check: async (ask) => {
      const [ill] = addressesByService.get("odds") ?? [];
      const answers = statuses(
        await ask(
          repeat(60, () => ({ path: `/ill?pod=${ill}` })),
          1,
        ),
      );
      // A third of the requests met it, until it was out after three.
      expect(answers.filter((status) => status === 503)).toHaveLength(3);
      expect(answers.filter((status) => status === 200)).toHaveLength(57);
    },
  },
};
