/** What workloads of islands are deployed beside, in tests. */
import type { SnapshotGroupFacts } from "../../src/model/facts";
import type { MeshNodeFacts } from "../../src/model/topology";

export const islandSnapshot = "20261121t0600z";

export const islandGroup: SnapshotGroupFacts = {
  name: "hourly",
  schedule: "0 * * * *",
  storeKind: "s3",
  settingsName: "hourly-settings",
  snapshots: [islandSnapshot],
};

export const islandNode: MeshNodeFacts = {
  name: "n-1",
  zone: "a",
  region: "eu",
  cluster: "one",
  provider: "local",
  weight: 1,
  selector: { "compute-mesh.dev/mesh": "demo" },
  labels: {},
  taints: [],
};
