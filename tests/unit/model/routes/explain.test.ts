import { explainRequest, parseRequest } from "../../../../src/model/route-explain";
import { drawRoutes } from "../../../../src/model/route-picture";
import { normalizeRoutes, type RoutesSpec } from "../../../../src/model/routes";
import { exampleServices } from "../../../support/routing";

const spec: RoutesSpec = {
  hosts: ["mesh.example.test"],
  services: exampleServices,
  routes: [
    {
      name: "prices",
      match: [{ prefix: "/prices", snapshot: "each" }],
      to: [{ service: { service: "prices" } }],
      rewrite: { prefix: "/v1" },
    },
    { name: "newest", match: [{ prefix: "/prices" }], to: [{ service: { service: "prices", snapshot: "s2" } }] },
    {
      name: "scale",
      match: [{ exact: "/scale" }],
      to: [{ lambda: { region: "eu-west-1", accountId: "123456789012", functionName: "scale", credentialsSecret: "aws" } }],
    },
    { name: "old", match: [{ prefix: "/old" }], redirect: { host: "else.example.test" } },
  ],
};

describe("a request in words", () => {
  it.each([
    ["https://Mesh.example.test", "GET", "mesh.example.test", "/", {}, {}],
    ["post http://a.test:8080/x?b=1&c -H X-A:1 -H 'x-b: two'", "POST", "a.test", "/x", { b: "1", c: "" }, { "x-a": "1", "x-b": "two" }],
  ])("is read: %s", (text, method, host, path, query, headers) => {
    expect(parseRequest(text)).toEqual({ method, host, path, query, headers });
  });

  it.each(["GET", "GIT https://a.test/", "GET https://a.test/ x", "GET ftp://a.test", "GET https://a.test/ -H novalue"])(
    "is refused: %s",
    (text) => {
      expect(() => parseRequest(text)).toThrow("is no");
    },
  );
});

describe("the explanation", () => {
  it("says rule, reasons, shares, what arrives, and what each target makes of it", () => {
    expect(explainRequest(spec, parseRequest("GET https://mesh.example.test/prices/eu -H x-mesh-snapshot:s2"))).toEqual([
      "GET http://mesh.example.test/prices/eu [x-mesh-snapshot: s2]",
      "  rule prices-s2 takes it: /prices [x-mesh-snapshot: s2] → prices v1 90 %, prices v2 10 %",
      "  because the host is mesh.example.test",
      "  because the path lies under /prices",
      "  because header x-mesh-snapshot is s2",
      "  because it goes before /prices [x-mesh-snapshot] of unknown-snapshot: a snapshot that is served goes before the guard of those that are not",
      "  90 % to prices v1 (service prices-v1-s2:8080)",
      "  10 % to prices v2 (service prices-v2-s2:8080)",
      "  it arrives as GET http://mesh.example.test/v1/eu",
      "gatewayApi: rule prices-s2",
      "gloo: rule prices-s2",
      "  prefix by path elements (lowered): its prefix is plain text: an exact match and a prefix with a slash",
      "  new prefix (lowered): a regular expression that keeps what is below",
      "istio: refused: routes[2].to: not with the target istio: it does not sign requests for AWS (and 1 more)",
    ]);
  });

  it("says that nothing takes a request", () => {
    const [, ...lines] = explainRequest(spec, parseRequest("https://mesh.example.test/nothing"));
    expect(lines.slice(0, 2)).toEqual([
      "  no rule takes it: 404",
      "  because the host is mesh.example.test, and none of its matches takes the request, so the gateway answers 404",
    ]);
    expect(lines).toContain("gatewayApi: 404");
  });
});

it("a picture has every rule once where its first match stands, and is well-formed", () => {
  const svg = drawRoutes(normalizeRoutes("edge", spec));
  for (const text of ["prices-s2", "prices v1 90 %, prices v2 10 %", "Lambda scale", "302 else.example.test", "answer 404"]) {
    expect(svg).toContain(`>${text}</text>`);
  }
  const stack: string[] = [];
  for (const [, close, name, own] of svg.matchAll(/<(\/?)([a-z]+)[^>]*?(\/?)>/gi)) {
    if (close === "/") expect(stack.pop()).toBe(name);
    else if (own === "") stack.push(name);
  }
  expect(stack).toEqual([]);
  expect(drawRoutes(normalizeRoutes("edge", { ...spec, routes: [...spec.routes].reverse() }))).toBe(svg);
});
