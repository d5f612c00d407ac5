import { createServer, request } from "node:http";
import type { AddressInfo } from "node:net";
import { answerHonestly, ask, groupsOf, type Handler, ordersOf, sendJson, snapshot, twoPods } from "./answer-pods";

const { pods, start, gatherer } = twoPods();
const all = [0, 1, 2, 3].flatMap(ordersOf);
const totalOf = (rows: typeof all): unknown => ({ count: rows.length, sum: rows.reduce((sum, { amount }) => sum + amount, 0) });
const hang: Handler = () => undefined;

describe("an answer of all shards", () => {
  it("is merged from one question to each pod, for the shards that it owns first", async () => {
    const port = await start();
    const { status, headers, text } = await ask(port, "/total?currency=EUR");
    expect(status).toBe(200);
    expect(JSON.parse(text)).toEqual({ snapshot, version: "v1", shards: 4, complete: true, missing: [], answer: totalOf(all) });
    expect(headers).toMatchObject({ "content-type": "application/json", "mesh-complete": "true", "mesh-snapshot": snapshot });
    expect(pods.map((pod) => pod.asked)).toEqual([["0,1"], ["2,3"]]);
  });

  it("is right for every operator", async () => {
    const port = await start();
    const answerOf = async (path: string): Promise<any> => JSON.parse((await ask(port, path)).text).answer;
    expect(await answerOf("/customers")).toEqual(groupsOf(all));
    expect((await answerOf("/distinct")).map(({ customer }: { customer: string }) => customer)).toEqual(["c0", "c1", "c2", "c3", "c4"]);
    expect((await answerOf("/top")).map(({ amount }: { amount: number }) => amount)).toEqual([1203, 1103, 1102]);
    expect(await answerOf("/top?k=1")).toHaveLength(1);
    expect(await answerOf("/orders")).toEqual(all);
  });

  it("has the headers and the body of the question reach every pod, without those of the connection", async () => {
    const seen: Record<string, unknown>[] = [];
    const bodies: string[] = [];
    const note: Handler = (incoming, response, shards) => {
      seen.push({ ...incoming.headers, method: incoming.method, url: incoming.url });
      incoming.on("data", (chunk) => bodies.push(String(chunk))).on("end", () => answerHonestly(incoming, response, shards));
    };
    pods.forEach((pod) => (pod.handler = note));
    const port = await start();
    const headers = {
      "x-tenant": "7",
      "accept-encoding": "gzip",
      "mesh-shards": "1",
      connection: "close, x-hop",
      "x-hop": "1",
      te: "trailers",
    };
    expect((await ask(port, "/total?a=1&a=2", headers, '{"q":1}')).status).toBe(200);
    expect(bodies).toEqual(['{"q":1}', '{"q":1}']);
    expect(seen[0]).toMatchObject({
      method: "POST",
      url: "/total?a=1&a=2",
      "x-tenant": "7",
      "mesh-snapshot": snapshot,
      "mesh-version": "v1",
    });
    for (const name of ["accept-encoding", "x-hop", "te"]) {
      expect(seen[0]).not.toHaveProperty(name);
    }
  });
});

describe("a pod that fails", () => {
  it("is replaced by another owner of its shards: refused, broken, status 500, malformed, too busy", async () => {
    const failures: Handler[] = [
      (_incoming, response) => response.destroy(),
      (_incoming, response) => response.writeHead(500).end("no"),
      (_incoming, response) => response.writeHead(429).end("busy"),
      (_incoming, response) => response.writeHead(200, { "content-type": "application/json" }).end('{"count": 1, "sum'),
      (_incoming, response) => sendJson(response, { count: "many", sum: 1 }),
      (_incoming, response) => sendJson(response, [1]),
      (_incoming, response) => {
        response.writeHead(200, { "content-length": 100 }).write('{"count":');
        setTimeout(() => response.destroy(), 20);
      },
    ];
    for (const failure of failures) {
      pods[0].handler = failure;
      const port = await start();
      const { status, text } = await ask(port, "/total");
      expect([status, JSON.parse(text)]).toEqual([200, expect.objectContaining({ complete: true, answer: totalOf(all) })]);
      expect(pods[1].asked.splice(0).sort()).toEqual(["0,1", "2,3"]);
      await gatherer().stop();
    }
    await pods[0].stop();
    const port = await start();
    expect(JSON.parse((await ask(port, "/total")).text)).toMatchObject({ complete: true, answer: totalOf(all) });
  });

  it("leaves half of the time for the other owner when it says nothing", async () => {
    pods[0].handler = hang;
    const port = await start({ timeoutMilliseconds: 600 });
    const began = performance.now();
    expect(JSON.parse((await ask(port, "/total")).text)).toMatchObject({ complete: true, answer: totalOf(all) });
    expect(performance.now() - began).toBeGreaterThan(250);
    expect(performance.now() - began).toBeLessThan(590);
    expect(pods[0].cutOff).toBe(1);
    // For a while it is asked last: the next question does not wait for it.
    const again = performance.now();
    expect(JSON.parse((await ask(port, "/total")).text)).toMatchObject({ complete: true });
    expect(performance.now() - again).toBeLessThan(250);
  });

  it("makes an answer that says what is missing and why, where nobody else has the shards", async () => {
    const owners = pods.map((pod, index) => ({ node: `n-${index}`, url: pod.url, shards: [index], primary: [index] }));
    pods[1].handler = hang;
    const port = await start({ owners, shardCount: 3, timeoutMilliseconds: 200 });
    const { status, headers, text } = await ask(port, "/total");
    expect(status).toBe(200);
    expect(JSON.parse(text)).toEqual({
      ...{ snapshot, version: "v1", shards: 3, complete: false, answer: totalOf(ordersOf(0)) },
      missing: [
        { shard: 1, reason: "timeout", node: "n-1" },
        { shard: 2, reason: "no ready owner" },
      ],
    });
    expect(headers).toMatchObject({ "mesh-complete": "false", "cache-control": "no-store" });
    const refused = await ask(port, "/total", { "mesh-require-complete": "true" });
    expect(refused.status).toBe(503);
    expect(JSON.parse(refused.text)).toMatchObject({ complete: false, missing: [{ shard: 1 }, { shard: 2 }] });
    const metrics = gatherer().health.metrics();
    expect(metrics).toContain('mesh_answer_partial_failures_total{reason="timeout"} 2');
    expect(metrics).toContain('mesh_answer_partial_failures_total{reason="no_owner"} 2');
    expect(metrics).toContain("mesh_answer_incomplete_total 2");
    expect(metrics).toContain('mesh_answer_questions_total{status="503"} 1');
    expect(metrics).toMatch(/mesh_answer_question_seconds_bucket\{le="\+Inf"\} 2\n/);
  });

  it("is no answer at all where every pod fails", async () => {
    pods.forEach((pod) => (pod.handler = (_incoming, response) => response.writeHead(502).end()));
    const { status, text } = await ask(await start(), "/total");
    expect([status, JSON.parse(text)]).toEqual([503, expect.objectContaining({ error: "no shard has answered", complete: false })]);
    expect(JSON.parse(text).missing).toHaveLength(4);
  });
});

describe("answers from somewhere else", () => {
  it.each([
    ["another snapshot", { "mesh-snapshot": "20261121t0500z" }, "answered from snapshot 20261121t0500z, asked for 20261121t0600z"],
    ["another version", { "mesh-version": "v2" }, "answered from version v2, asked for v1"],
    ["fewer shards", { "mesh-shards": "0" }, "answered for shards 0, asked for 0,1"],
    ["more shards", { "mesh-shards": "0,1,2" }, "answered for shards 0,1,2, asked for 0,1"],
    ["a compressed body", { "content-encoding": "gzip" }, "malformed: content-encoding gzip was not asked for"],
  ])("are not counted: %s", async (_name, headers, reason) => {
    const owners = [
      { node: "n-0", url: pods[0].url, shards: [0, 1] },
      { node: "n-1", url: pods[1].url, shards: [2, 3] },
    ];
    pods[0].handler = (_incoming, response) => sendJson(response, { count: 1, sum: 1 }, headers);
    const { text } = await ask(await start({ owners }), "/total");
    expect(JSON.parse(text)).toMatchObject({
      complete: false,
      missing: [
        { shard: 0, reason },
        { shard: 1, reason },
      ],
    });
    expect(JSON.parse(text).answer).toEqual(totalOf([2, 3].flatMap(ordersOf)));
  });

  it("and questions that belong somewhere else are refused", async () => {
    const port = await start();
    for (const headers of [{ "mesh-snapshot": "20261121t0500z" }, { "x-mesh-version": "v2" }] as Record<string, string>[]) {
      expect((await ask(port, "/total", headers)).status).toBe(421);
    }
    expect((await ask(port, "/total", { "mesh-snapshot": snapshot, "mesh-version": "v1" })).status).toBe(200);
  });
});

describe("a question that pods refuse", () => {
  it("is refused alike, and nobody else is asked", async () => {
    pods.forEach(
      (pod) => (pod.handler = (_incoming, response) => response.writeHead(422, { "content-type": "text/x-reason" }).end("k is odd")),
    );
    const { status, headers, text } = await ask(await start(), "/top?k=3");
    expect([status, headers["content-type"], text]).toEqual([422, "text/x-reason", "k is odd"]);
    expect(pods.map((pod) => pod.asked.length)).toEqual([1, 1]);
  });

  it("by some of them only lacks their shards", async () => {
    pods[0].handler = (_incoming, response) => response.writeHead(404).end();
    expect(JSON.parse((await ask(await start(), "/total")).text)).toMatchObject({
      complete: false,
      missing: [{ shard: 0, reason: "status 404" }, { shard: 1 }],
    });
  });
});

describe("a POST", () => {
  const failing: Handler = (incoming, response) => incoming.resume().on("end", () => response.writeHead(500).end());

  it("is not repeated by itself, but where the client says that it may be, or the pod never got it", async () => {
    pods[0].handler = failing;
    let port = await start();
    expect(JSON.parse((await ask(port, "/total", {}, "{}")).text)).toMatchObject({
      complete: false,
      missing: [{ shard: 0, reason: "status 500" }, { shard: 1 }],
    });
    await gatherer().stop();
    port = await start();
    expect(JSON.parse((await ask(port, "/total", { "mesh-idempotent": "true" }, "{}")).text)).toMatchObject({ complete: true });
    await pods[0].stop();
    await gatherer().stop();
    port = await start();
    expect(JSON.parse((await ask(port, "/total", {}, "{}")).text)).toMatchObject({ complete: true });
  });
});

describe("limits", () => {
  it("refuse what is no question", async () => {
    const port = await start({ maxQuestionBytes: 10 });
    expect((await ask(port, "/unknown")).status).toBe(404);
    expect((await ask(port, "/unknown")).text).toContain("/customers, /distinct, /orders, /top, /total");
    expect((await ask(port, "/top?k=0")).status).toBe(400);
    expect((await ask(port, "/total", { "mesh-timeout-ms": "soon" })).status).toBe(400);
    expect((await ask(port, "/total", { "mesh-require-complete": "yes" })).status).toBe(400);
    expect((await ask(port, "/total", {}, "x".repeat(11))).status).toBe(413);
    expect(pods.map((pod) => pod.asked)).toEqual([[], []]);
  });

  it("let a client lower the time, not raise it", async () => {
    pods.forEach((pod) => (pod.handler = hang));
    const port = await start({ timeoutMilliseconds: 400 });
    for (const [asked, most] of [
      ["50", 250],
      ["5000", 900],
    ] as const) {
      const began = performance.now();
      expect((await ask(port, "/total", { "mesh-timeout-ms": asked })).status).toBe(503);
      expect(performance.now() - began).toBeLessThan(most);
    }
  });

  it("keep partial answers that are too large out of the memory, and say what to do", async () => {
    const port = await start({ maxBufferedBytes: 100_000 });
    pods[1].handler = (_incoming, response) =>
      sendJson(
        response,
        Array.from({ length: 20_000 }, (_unused, index) => ({ customer: "c", amount: index })),
      );
    const { status, text } = await ask(port, "/orders");
    expect([status, text]).toEqual([507, expect.stringContaining("application/x-ndjson")]);
    // What was taken was given back.
    pods[1].handler = answerHonestly;
    expect((await ask(port, "/orders")).status).toBe(200);
    expect(gatherer().health.metrics()).toContain("mesh_answer_buffered_bytes 0\n");
  });

  it("let questions wait for their turn", async () => {
    let now = 0;
    let most = 0;
    const slow: Handler = (incoming, response, shards) => {
      most = Math.max(most, ++now);
      setTimeout(() => {
        now--;
        answerHonestly(incoming, response, shards);
      }, 20);
    };
    pods.forEach((pod) => (pod.handler = slow));
    const port = await start({ maxConcurrentPartials: 4 });
    const replies = await Promise.all(Array.from({ length: 12 }, () => ask(port, "/total")));
    expect(replies.map(({ status }) => status)).toEqual(Array(12).fill(200));
    expect(most).toBeLessThanOrEqual(4);
    expect(most).toBeGreaterThan(2);
  });

  it("say so where sums leave the range of doubles", async () => {
    pods.forEach((pod) => (pod.handler = (_incoming, response) => sendJson(response, { count: 1, sum: 1.7e308 })));
    expect(await ask(await start(), "/total")).toMatchObject({ status: 502, text: expect.stringContaining("range of doubles") });
  });
});

describe("a client that goes away", () => {
  it("takes the questions to the pods with it", async () => {
    pods.forEach((pod) => (pod.handler = hang));
    const port = await start();
    const asking = request({ host: "127.0.0.1", port, path: "/total", agent: false });
    asking.on("error", () => undefined);
    asking.end();
    await until(() => pods.every((pod) => pod.asked.length === 1));
    asking.destroy();
    await until(() => pods.every((pod) => pod.cutOff === 1));
    await until(() => gatherer().health.metrics().includes('mesh_answer_questions_total{status="499"} 1'));
    expect(gatherer().lines).toEqual([]);
  });
});

describe("a service of the user's own", () => {
  it("gets every partial answer with its shards, and its answer is the answer", async () => {
    const got: { body: string; headers: any }[] = [];
    const merger = createServer((incoming, response) => {
      let body = "";
      incoming
        .on("data", (chunk) => (body += String(chunk)))
        .on("end", () => {
          got.push({ body, headers: incoming.headers });
          const sums = body
            .trimEnd()
            .split("\n")
            .map((line) => JSON.parse(line).answer.sum);
          sendJson(response, { largest: Math.max(...sums) });
        });
    });
    await new Promise<void>((resolve) => merger.listen(0, "127.0.0.1", resolve));
    const url = `http://127.0.0.1:${(merger.address() as AddressInfo).port}/merge`;
    try {
      const port = await start({ merge: { "/*": { service: { url } } } });
      const { text } = await ask(port, "/total?x=1");
      const sums = [
        [0, 1],
        [2, 3],
      ].map((shards) => (totalOf(shards.flatMap(ordersOf)) as { sum: number }).sum);
      expect(JSON.parse(text)).toMatchObject({ complete: true, answer: { largest: Math.max(...sums) } });
      expect(
        got[0].body
          .trimEnd()
          .split("\n")
          .map((line) => JSON.parse(line)),
      ).toMatchObject([{ shards: [0, 1] }, { shards: [2, 3], answer: { sum: sums[1] } }]);
      expect(got[0].headers).toMatchObject({ "mesh-question": "/total?x=1", "mesh-snapshot": snapshot, "mesh-missing": "" });
      await new Promise((resolve) => merger.close(resolve).closeAllConnections());
      expect(await ask(port, "/total")).toMatchObject({ status: 502, text: expect.stringContaining("cannot be reached") });
    } finally {
      merger.closeAllConnections();
      merger.close();
    }
  });
});

async function until(done: () => boolean): Promise<void> {
  const end = Date.now() + 5000;
  while (!done()) {
    if (Date.now() > end) {
      throw new Error("it did not come about within 5 seconds");
    }
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}
