import { parseImage, pinnedImageProblem } from "../../../src/model/images";

const digest = `sha256:${"a1".repeat(32)}`;

describe("image references", () => {
  it.each([
    ["prices:1.4.2", { name: "prices", tag: "1.4.2" }],
    ["ghcr.io/acme/prices:v2", { name: "ghcr.io/acme/prices", tag: "v2" }],
    ["localhost:5000/prices", { name: "localhost:5000/prices" }],
    ["localhost:5000/prices:1", { name: "localhost:5000/prices", tag: "1" }],
    [`ghcr.io/acme/prices@${digest}`, { name: "ghcr.io/acme/prices", digest }],
    [`ghcr.io/acme/prices:1@${digest}`, { name: "ghcr.io/acme/prices", tag: "1", digest }],
  ])("reads %s", (image, parts) => {
    expect(parseImage(image)).toEqual(parts);
  });

  it.each(["", " ", "prices: 1", "Prices:1", "prices:", "prices@sha256:abc", "prices@a@b", "prices:1:2", "/prices:1", "prices/:1"])(
    "takes %p for none",
    (image) => {
      expect(parseImage(image)).toBeUndefined();
      expect(pinnedImageProblem(image)).toContain("an image reference is allowed");
    },
  );

  it("wants a tag or a digest", () => {
    expect(pinnedImageProblem("prices")).toContain("a tag or a digest is needed, for example prices:1.4.2");
    expect(pinnedImageProblem("localhost:5000/prices")).toContain("a tag or a digest is needed");
    expect(pinnedImageProblem("prices:1")).toBeUndefined();
    expect(pinnedImageProblem(`prices@${digest}`)).toBeUndefined();
  });

  it("refuses the tag latest, which a digest makes harmless", () => {
    expect(pinnedImageProblem("prices:latest")).toContain('a tag other than "latest"');
    expect(pinnedImageProblem(`prices:latest@${digest}`)).toBeUndefined();
  });

  it("refuses what is no text", () => {
    expect(pinnedImageProblem(undefined)).toContain("an image reference is allowed");
    expect(pinnedImageProblem(7)).toContain("an image reference is allowed");
  });
});
