/**
 * The generated parts of docs/routes.md are those of the code: the table of capabilities, and the picture.
 *
 * To write them anew: UPDATE_DOCS=1 npx jest --selectProjects unit tests/unit/docs
 */
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { drawRoutes } from "../../../src/model/route-picture";
import { capabilities, normalizeRoutes, RouteTarget, type Capability, type RoutesSpec } from "../../../src/model/routes";
import { exampleServices } from "../../support/routing";

const docs = join(__dirname, "..", "..", "..", "docs");
const page = join(docs, "routes.md");
const picture = join(docs, "pictures", "routes.svg");
const [begin, end] = ["<!-- capabilities: generated, `tests/unit/docs/routes.test.ts` says how -->\n", "<!-- end of capabilities -->"];

function cell({ support, reason }: Capability): string {
  return support === "native" ? "yes" : `*${support}*: ${reason}`;
}

function capabilityTable(): string {
  const rows = Object.values(capabilities).map(
    (row) => `| ${[row.title, cell(row.gatewayApi), cell(row.gloo), cell(row.istio)].join(" | ")} |`,
  );
  return ["| feature | gatewayApi (kgateway) | gloo | istio |", "|---|---|---|---|", ...rows, ""].join("\n");
}

const spec: RoutesSpec = {
  hosts: ["mesh.example.com"],
  services: exampleServices,
  latest: [{ group: "hourly", services: ["prices"], complete: ["s1", "s2"] }],
  routes: [
    { name: "prices", match: [{ prefix: "/prices" }], to: [{ service: { service: "prices", snapshot: "latest" } }] },
    { name: "prices-by-id", match: [{ prefix: "/prices", snapshot: "each" }], to: [{ service: { service: "prices" } }] },
    { name: "shards", match: [{ prefix: "/risk", snapshot: "each", shard: "each" }], to: [{ service: { service: "risk" } }] },
    {
      name: "scale",
      match: [{ exact: "/scale", methods: ["POST"] }],
      to: [{ lambda: { region: "eu-west-1", accountId: "123456789012", functionName: "scale" } }],
    },
    { name: "old", match: [{ prefix: "/v1" }], redirect: { prefix: "/prices", status: 308 } },
  ],
};

function expectWritten(file: string, wanted: string): void {
  if (process.env["UPDATE_DOCS"] !== undefined) writeFileSync(file, wanted);
  expect(readFileSync(file, "utf8")).toBe(wanted);
}

describe("docs/routes.md", () => {
  it("has the table of capabilities", () => {
    const text = readFileSync(page, "utf8");
    const [before, rest = ""] = text.split(begin);
    const after = rest.slice(rest.indexOf(end));
    expectWritten(page, `${before}${begin}\n${capabilityTable()}\n${after}`);
  });

  it("has a picture of a route table", () => {
    expectWritten(picture, drawRoutes(normalizeRoutes("edge", spec)));
  });

  it("names every target", () => {
    expect(Object.values(RouteTarget)).toEqual(["gatewayApi", "gloo", "istio"]);
  });
});
