import { request } from "node:http";
import type { AnswerSettingsArgs } from "../../src/model/answers-settings";
import { createLineReader } from "../src/answer/lines";
import { ask, groupsOf, type Handler, jsonLines, lines, mergeRules, ordersOf, type Pod, sendJson, snapshot, twoPods } from "./answer-pods";

const { pods, start, gatherer } = twoPods();
const all = [0, 1, 2, 3].flatMap(ordersOf);
/** Each pod alone has its shards, so nobody can take over. */
const alone = (): Partial<AnswerSettingsArgs> => ({
  owners: pods.map((pod, index) => ({ node: `n-${index}`, url: pod.url, shards: [2 * index, 2 * index + 1] })),
});
/** Writes text in pieces of so many bytes, and waits between them, so that each comes alone. */
const inPieces =
  (text: string, size: number, waitMilliseconds = 0): Handler =>
  (_incoming, response) => {
    const bytes = Buffer.from(text);
    response.writeHead(200, { "content-type": "application/x-ndjson" });
    const next = (at: number): void => {
      if (at >= bytes.length) {
        response.end();
      } else {
        response.write(bytes.subarray(at, at + size), () => setTimeout(next, waitMilliseconds, at + size));
      }
    };
    next(0);
  };
const rowsText = (rows: unknown[]): string => rows.map((row) => `${JSON.stringify(row)}\n`).join("");

describe("a stream", () => {
  it("merges sorted rows of the pods into one sorted stream with a trailer", async () => {
    const { status, headers, text } = await ask(await start(), "/customers", lines);
    const answer = jsonLines(text);
    expect([status, headers["content-type"]]).toEqual([200, "application/x-ndjson"]);
    expect(answer.pop()).toEqual({ snapshot, version: "v1", shards: 4, complete: true, missing: [], rows: 5 });
    expect(answer).toEqual(groupsOf(all));
  });

  it("is the same as the answer in one piece, for every operator", async () => {
    const port = await start({
      merge: {
        ...mergeRules,
        "/values": { union: {} },
        "/best": { groupBy: ["customer"], fields: { sum: { sum: true } }, topK: { k: 2, by: "sum" } },
      },
    });
    const rowsOf: Handler = (incoming, response, shards) => {
      const rows =
        incoming.url === "/best"
          ? groupsOf(shards.flatMap(ordersOf))
          : shards.flatMap(ordersOf).sort((a, b) => (a.customer < b.customer ? -1 : 1));
      return (incoming.headers.accept ?? "").includes("ndjson")
        ? inPieces(rowsText(rows), 50)(incoming, response, shards)
        : sendJson(response, rows);
    };
    pods.forEach((pod) => (pod.handler = rowsOf));
    for (const path of ["/distinct", "/top", "/values", "/best"]) {
      const rows = jsonLines((await ask(port, path, lines)).text).slice(0, -1);
      expect([path, rows]).toEqual([path, JSON.parse((await ask(port, path)).text).answer]);
      expect(rows.length).toBeGreaterThan(1);
    }
    const sorted = (rows: unknown[]): string[] => rows.map((row) => JSON.stringify(row)).sort();
    expect(sorted(jsonLines((await ask(port, "/orders", lines)).text).slice(0, -1))).toEqual(sorted(all));
  });

  it("reads rows however the chunks are cut, in the middle of a character as well", async () => {
    const rows = [
      { customer: "a", sum: 1 },
      { customer: "é€\u{1F600}", sum: 2 },
      { customer: "\u{1F600}\u{1F600}", sum: 3 },
    ];
    for (const size of [1, 3, 7, 64]) {
      // The last line needs no newline, and empty lines are no rows.
      pods[0].handler = inPieces(rowsText(rows).trimEnd(), size);
      pods[1].handler = inPieces(`\n${rowsText(rows)}\r\n\n`, size);
      const port = await start();
      expect(jsonLines((await ask(port, "/customers", lines)).text).slice(0, -1)).toEqual(
        rows.map(({ customer, sum }) => ({ customer, sum: 2 * sum })),
      );
      await gatherer().stop();
    }
  });

  it("takes JSON lists of pods that do not stream, in any order, and NDJSON for an answer in one piece", async () => {
    pods[0].handler = (_incoming, response, shards) => sendJson(response, groupsOf(shards.flatMap(ordersOf)).reverse());
    pods[1].handler = (incoming, response, shards) =>
      inPieces(rowsText(groupsOf(shards.flatMap(ordersOf))), 20)(incoming, response, shards);
    const port = await start();
    expect(jsonLines((await ask(port, "/customers", lines)).text).slice(0, -1)).toEqual(groupsOf(all));
    expect(JSON.parse((await ask(port, "/customers")).text)).toMatchObject({ complete: true, answer: groupsOf(all) });
  });

  it("of an object is the object", async () => {
    const { headers, text } = await ask(await start(), "/total", lines);
    expect([headers["content-type"], JSON.parse(text).complete]).toEqual(["application/json", true]);
  });
});

describe("a stream that breaks", () => {
  const good = rowsText([
    { customer: "c0", sum: 1 },
    { customer: "c1", sum: 1 },
  ]);
  const brokenAfter =
    (text: string): Handler =>
    (_incoming, response) => {
      response.writeHead(200, { "content-type": "application/x-ndjson" });
      // The chunk must be on its way before the end of the connection overtakes it.
      response.write(text, () => setTimeout(() => response.destroy(), 20));
    };

  it("before its first row is asked of another owner", async () => {
    pods[0].handler = brokenAfter("");
    const answer = jsonLines((await ask(await start(), "/customers", lines)).text);
    expect(answer.pop()).toMatchObject({ complete: true });
    expect(answer).toEqual(groupsOf(all));
  });

  it.each([
    ["a broken connection", brokenAfter(good), expect.stringMatching(/^broken connection \(.*aborted\)$/)],
    ["a line that is not JSON", inPieces(`${good}{"customer":\n`, good.length, 20), 'malformed: "{\\"customer\\":" is not a line of JSON'],
    [
      "rows that are not sorted",
      inPieces(
        rowsText([
          { customer: "b", sum: 1 },
          { customer: "a", sum: 1 },
        ]),
        24,
      ),
      'malformed: rows must come sorted by customer, and ["a"] came after ["b"]',
    ],
    [
      "a row without its key",
      inPieces(`${good}{"sum":1}\n`, good.length, 20),
      "malformed: customer: nothing is not a text, a number, a boolean or null",
    ],
  ])("later is said in the trailer, with the shards whose rows are there in part: %s", async (_name, handler, reason) => {
    pods[0].handler = handler;
    const port = await start(alone());
    const { text, broken } = await ask(port, "/customers", lines);
    const trailer = jsonLines(text).pop();
    expect([broken, trailer.complete, trailer.missing]).toEqual([
      false,
      false,
      [0, 1].map((shard) => ({ shard, reason, node: "n-0", partly: true })),
    ]);
  });

  it("cuts the answer off where it must be complete", async () => {
    pods[0].handler = brokenAfter(good);
    const port = await start(alone());
    const reply = await ask(port, "/customers", { ...lines, "mesh-require-complete": "true" });
    expect([reply.status, reply.broken]).toEqual([200, true]);
    pods[0].handler = (_incoming, response) => response.writeHead(500).end();
    expect(await ask(port, "/customers", { ...lines, "mesh-require-complete": "true" })).toMatchObject({ status: 503, broken: false });
  });

  it("by standing still is given up after the time of a shard", async () => {
    pods[0].handler = (_incoming, response) => void response.writeHead(200, { "content-type": "application/x-ndjson" }).write(good);
    const trailer = jsonLines((await ask(await start({ ...alone(), timeoutMilliseconds: 150 }), "/orders", lines)).text).pop();
    expect(trailer).toMatchObject({
      complete: false,
      missing: [{ shard: 0, reason: "timeout: the stream stood still for 150 ms", partly: true }, { shard: 1 }],
    });
    await cutOffAt([pods[0]]);
  });

  it("ends at the pods when the client leaves", async () => {
    const endless: Handler = (_incoming, response) => {
      response.writeHead(200, { "content-type": "application/x-ndjson" });
      const more = (): void => void (response.destroyed || response.write(rowsText(ordersOf(9)), () => setImmediate(more)));
      more();
    };
    pods.forEach((pod) => (pod.handler = endless));
    const port = await start();
    await new Promise<void>((resolve, reject) => {
      const asking = request({ host: "127.0.0.1", port, path: "/orders", headers: lines, agent: false }, (response) => {
        let bytes = 0;
        response.on("error", () => undefined);
        response.on("data", (chunk: Buffer) => {
          bytes += chunk.length;
          if (bytes > 1_000_000) {
            response.destroy();
            resolve();
          }
        });
      });
      asking.on("error", reject).end();
    });
    await cutOffAt(pods);
    expect(gatherer().lines).toEqual([]);
  });

  it("does not let a line without an end fill the memory", () => {
    const reader = createLineReader(1000);
    expect(reader.push(Buffer.from(`${"a".repeat(900)}\n${"b".repeat(900)}`))).toHaveLength(1);
    expect(() => reader.push(Buffer.from("b".repeat(101)))).toThrow("a line has more than 1000 bytes");
  });
});

async function cutOffAt(where: readonly Pod[]): Promise<void> {
  for (const end = Date.now() + 5000; Date.now() < end && where.some((pod) => pod.cutOff === 0);) {
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
  expect(where.map((pod) => pod.cutOff)).toEqual(where.map(() => 1));
}
