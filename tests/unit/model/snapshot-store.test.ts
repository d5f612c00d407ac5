import { Problems } from "../../../src/model/errors";
import { checkSnapshotStore, podSecurityOfStore, storeKinds, survivesNodeLoss } from "../../../src/model/snapshot-store";

function problemsOf(store: unknown): string[] {
  const problems = new Problems("x");
  checkSnapshotStore(problems, "store", store, { s3: ["credentialsSecret"] });
  return problems.all.map((problem) => problem.path);
}

describe("stores of snapshots", () => {
  it("are accepted in every kind, with values that are not known yet", () => {
    const unknown = Promise.resolve("later");
    const stores = [
      {
        s3: {
          bucket: "mesh-snapshots",
          region: "eu-central-1",
          endpoint: "https://minio.storage:9000",
          prefix: "a/b",
          credentialsSecret: {},
        },
      },
      { s3: { bucket: unknown, region: unknown } },
      { gcs: { bucket: "mesh_snapshots.example.com" } },
      { azureBlob: { account: "meshsnapshots", container: "snap-shots" } },
      { nfs: { server: "10.0.0.5", path: "/export/mesh" } },
      { nodeDirectory: { hostPath: "/var/lib/mesh-snapshots" } },
    ];
    for (const store of stores) {
      expect(problemsOf(store)).toEqual([]);
    }
  });

  it("are exactly one, with known members only", () => {
    expect(problemsOf({})).toEqual(["store"]);
    expect(problemsOf({ s3: { bucket: "abc" }, nfs: { server: "a", path: "/b" } })).toEqual(["store"]);
    expect(problemsOf({ s4: {} })).toEqual(["store.s4", "store"]);
    expect(problemsOf({ s3: { bucket: "abc", buckets: "x" } })).toEqual(["store.s3.buckets"]);
    expect(problemsOf({ gcs: { bucket: "abc", credentialsSecret: {} } })).toEqual(["store.gcs.credentialsSecret"]);
    expect(problemsOf("s3://bucket")).toEqual(["store"]);
    expect(problemsOf({ s3: "bucket" })).toEqual(["store.s3"]);
  });

  it.each([
    [{ s3: {} }, "store.s3.bucket"],
    [{ s3: { bucket: "Upper" } }, "store.s3.bucket"],
    [{ s3: { bucket: "s3://bucket" } }, "store.s3.bucket"],
    [{ s3: { bucket: 5 } }, "store.s3.bucket"],
    [{ s3: { bucket: "abc", endpoint: "minio:9000" } }, "store.s3.endpoint"],
    [{ s3: { bucket: "abc", endpoint: "https://user:pw@minio" } }, "store.s3.endpoint"],
    [{ s3: { bucket: "abc", prefix: "/a" } }, "store.s3.prefix"],
    [{ gcs: { bucket: "abc", prefix: "a/../b" } }, "store.gcs.prefix"],
    [{ azureBlob: { account: "mesh-snap", container: "abc" } }, "store.azureBlob.account"],
    [{ azureBlob: { account: "mesh", container: "a--b" } }, "store.azureBlob.container"],
    [{ nfs: { server: "nfs://host", path: "/a" } }, "store.nfs.server"],
    [{ nfs: { server: "host", path: "a" } }, "store.nfs.path"],
    [{ nodeDirectory: { hostPath: "/" } }, "store.nodeDirectory.hostPath"],
    [{ nodeDirectory: { hostPath: "/etc/" } }, "store.nodeDirectory.hostPath"],
    [{ nodeDirectory: { hostPath: "/data/../etc" } }, "store.nodeDirectory.hostPath"],
  ])("are refused: %j", (store, path) => {
    expect(problemsOf(store)).toEqual([path]);
  });

  it("say what they ask of the namespace and whether they outlive a node", () => {
    expect(storeKinds.map(podSecurityOfStore)).toEqual(["restricted", "restricted", "restricted", "baseline", "privileged"]);
    expect(storeKinds.filter((kind) => !survivesNodeLoss(kind))).toEqual(["nodeDirectory"]);
  });
});
