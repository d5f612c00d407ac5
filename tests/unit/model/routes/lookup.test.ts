import fc from "fast-check";
import { indexMatches } from "../../../../src/model/route-index";
import { compareMatches, matches } from "../../../../src/model/route-match";
import { findVirtualHost } from "../../../../src/model/route-lookup";
import {
  matchRequest,
  type AtomicMatch,
  type RouteRequest,
  type RouteRule,
  type RouteTable,
  type ValueMatch,
} from "../../../../src/model/routes";

const conditions = (names: string[]): fc.Arbitrary<ValueMatch[]> =>
  fc
    .uniqueArray(
      fc.record({
        name: fc.constantFrom(...names),
        kind: fc.constantFrom<ValueMatch["kind"]>("exact", "exact", "regex", "present"),
        value: fc.constantFrom("1", "2"),
      }),
      { selector: ({ name }) => name, maxLength: 2 },
    )
    .map((list) =>
      list
        .map((pair) =>
          pair.kind === "present" ? { ...pair, value: "" } : pair.kind === "regex" ? { ...pair, value: `[${pair.value}3]` } : pair,
        )
        .sort((a, b) => (a.name < b.name ? -1 : 1)),
    );
const paths: AtomicMatch["path"][] = [
  ...["/", "/a", "/a/b", "/ab"].flatMap((value) => [
    { kind: "exact" as const, value },
    { kind: "prefix" as const, value },
  ]),
  { kind: "exact", value: "/a/" },
  { kind: "rawPrefix", value: "/a" },
  { kind: "rawPrefix", value: "/a/" },
  { kind: "rawPrefix", value: "/abc" },
  { kind: "regex", value: "/a.*" },
  { kind: "regex", value: "/(a|b)[0-9]" },
  { kind: "regex", value: ".*c" },
];
const match: fc.Arbitrary<AtomicMatch> = fc.record({
  path: fc.constantFrom(...paths),
  method: fc.constantFrom(undefined, undefined, "GET", "PUT"),
  headers: conditions(["h", "i"]),
  query: conditions(["q"]),
});
const values = (name: string): fc.Arbitrary<Record<string, string>> =>
  fc.constantFrom({}, { [name]: "1" }, { [name]: "2" }, { [name]: "3" }, { [name]: "" });
const request: fc.Arbitrary<RouteRequest> = fc.record({
  host: fc.constant("a.test"),
  method: fc.constantFrom("GET", "PUT", "POST"),
  path: fc.constantFrom("/", "/a", "/a/", "/a/b", "/a/b/c", "/ab", "/abc", "/abcd", "/a1", "/b1", "/c", "//a"),
  headers: fc.tuple(values("h"), values("i")).map(([h, i]) => ({ ...h, ...i })),
  query: values("q"),
});

describe("the index of matches", () => {
  it("finds what a look at every match in order finds", () => {
    let found = 0;
    fc.assert(
      fc.property(
        fc.array(match, { minLength: 4, maxLength: 16 }),
        fc.array(request, { minLength: 40, maxLength: 40 }),
        (list, requests) => {
          const entries = list.map((one) => ({ match: one }));
          const index = indexMatches(entries);
          for (const asked of requests) {
            const wanted = entries.filter((entry) => matches(entry.match, asked)).sort((a, b) => compareMatches(a.match, b.match));
            expect(index.all(asked)).toEqual(wanted);
            expect(index.first(asked)).toEqual(wanted[0]);
            found += wanted.length > 1 ? 1 : 0;
          }
        },
      ),
      { numRuns: 400 },
    );
    expect(found).toBeGreaterThan(500);
  });
});

const rule = (name: string): RouteRule => ({
  name,
  route: name,
  hosts: [],
  matches: [],
  action: { kind: "respond", status: 200, body: "" },
  backends: [],
  mirrors: [],
  webSocket: false,
});

describe("hosts", () => {
  const table: RouteTable = {
    hosts: [],
    rules: [],
    upstreams: [],
    tls: [],
    virtualHosts: [["*"], ["*.example.com", "one.test"], ["*.b.example.com"], ["a.b.example.com"]].map((hosts) => ({
      hosts,
      order: hosts.includes("a.b.example.com")
        ? [{ match: { path: { kind: "exact", value: "/only" }, headers: [], query: [] }, rule: rule("only") }]
        : [{ match: { path: { kind: "prefix", value: "/" }, headers: [], query: [] }, rule: rule(hosts[0]) }],
    })),
  };

  it.each([
    ["a.b.example.com", "a.b.example.com"],
    ["c.b.example.com", "*.b.example.com"],
    ["b.example.com", "*.example.com"],
    ["example.com", "*"],
    ["one.test", "one.test"],
  ])("%s is answered by %s", (host, declared) => {
    expect(findVirtualHost(table, host)?.declared).toBe(declared);
  });

  it("with a virtual host of their own never fall back to a wildcard", () => {
    const decision = matchRequest(table, { host: "a.b.example.com", method: "GET", path: "/else", headers: {}, query: {} });
    expect(decision.entry).toBeUndefined();
    expect(decision.why).toEqual(["the host is a.b.example.com, and none of its matches takes the request, so the gateway answers 404"]);
  });
});

it("says why a request goes where it goes", () => {
  const match = (more: Partial<AtomicMatch>): AtomicMatch => ({ path: { kind: "prefix", value: "/p" }, headers: [], query: [], ...more });
  const destination = { kind: "service" as const, id: "service a:80", name: "a", port: 80 };
  const backends = [
    { weight: 3, label: "a", destination },
    { weight: 1, label: "b", destination },
    { weight: 0, label: "c", destination },
  ];
  const forward: RouteRule = { ...rule("first"), action: { kind: "forward", backends }, backends };
  const named = match({ headers: [{ name: "x", kind: "exact", value: "1" }], query: [{ name: "q", kind: "present", value: "" }] });
  const order = [
    { match: named, rule: forward },
    { match: match({}), rule: rule("second") },
  ];
  const table: RouteTable = { hosts: ["*"], rules: [], upstreams: [], tls: [], virtualHosts: [{ hosts: ["*"], order }] };
  const decision = matchRequest(table, { host: "a.test", method: "GET", path: "/p/q", headers: { x: "1" }, query: { q: "" } });
  expect(decision.destinations.map(({ backend, share }) => `${backend.label} ${share}`)).toEqual(["a 0.75", "b 0.25"]);
  expect(decision.why).toEqual([
    "the host lies under *",
    "the path lies under /p",
    "header x is 1",
    "parameter q is there",
    "it goes before /p of second: it tests more headers",
  ]);
});
