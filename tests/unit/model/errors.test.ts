import { keyPath, MeshInputError, Problems } from "../../../src/model/errors";

describe("input errors", () => {
  it("reports every problem with component, path, given and allowed", () => {
    const problems = new Problems('snapshotGroup "nightly"');
    problems.add("keep.last", 0, "at least 1 snapshot must stay");
    problems.addAll("store", [{ path: "s3.bucket", given: '""', allowed: "the name of a bucket is allowed" }]);
    expect(() => problems.throwIfAny()).toThrow(new MeshInputError('snapshotGroup "nightly"', problems.all).message);
    expect(new MeshInputError(problems.subject, problems.all).message).toBe(
      'snapshotGroup "nightly": keep.last: 0 is not allowed: at least 1 snapshot must stay\n' +
        'snapshotGroup "nightly": store.s3.bucket: "" is not allowed: the name of a bucket is allowed',
    );
  });

  it("throws nothing where nothing is wrong", () => {
    expect(() => new Problems("x").throwIfAny()).not.toThrow();
  });

  it("quotes keys that are no plain words", () => {
    expect(keyPath("labels", "a/b")).toBe('labels["a/b"]');
    expect(keyPath("labels", "zone")).toBe("labels.zone");
  });
});
