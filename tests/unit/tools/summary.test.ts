/** The readable end of `npm start`, to the letter. */
import type { MeshSummary } from "../../../src/model/summary";
import { formatSummary } from "../../../tools/summary";

const small: MeshSummary = {
  mesh: "quotes",
  namespace: "quotes-eu",
  nodes: [
    { name: "n-1", zone: "zone-a", region: "r", shards: [0, 1, 2], primaryShards: [0, 2] },
    { name: "node-10", zone: "b", region: "r", shards: [0, 1, 2], primaryShards: [1] },
  ],
  shards: { count: 3, replicas: 2, mapVersion: "10a725de873938b0", warnings: [] },
  topics: [{ name: "orders", partitions: 16 }],
  databases: [{ engine: "postgres", endpoint: "quotes-db.quotes-eu.svc:5432" }],
  ingest: { engine: "mesh", restoreFrom: "quotes-snapshots-hourly" },
  snapshots: [
    {
      group: "hourly",
      schedule: "0 * * * *",
      when: "every hour at minute 0",
      store: "s3",
      inUse: ["20261121t0500z", "20261121t0600z"],
      tends: true,
    },
    { group: "daily", schedule: "0 2 * * *", when: "every day at 02:00", store: "nfs", inUse: [], tends: false },
  ],
  services: [
    {
      service: "prices",
      version: "v1",
      snapshot: "20261121t0600z",
      endpoint: "prices-v1.quotes-eu.svc:8080",
      answers: "one pod",
      weight: 90,
    },
  ],
  routes: [{ name: "prices", request: "GET http://mesh.example.test/prices", destination: "prices v1" }],
};

const next = `Next:
  npm run preview                    what would change, after an edit of stacks/Pulumi.local.yaml
  npm run gateway                    the real gateway for these routes, with demo backends, and a curl line for each
  npm run cluster -- status          the embedded cluster; \`-- kubeconfig\` prints the file for kubectl`;

describe("formatSummary", () => {
  it("says why each node has its machine and what everything costs, where the cloud knows", () => {
    const machine = "m7gd.2xlarge: 8 vCPU, 32 GiB, 1×474 GB NVMe";
    const nodes = small.nodes.map((node, index) => (index === 0 ? { ...node, machine } : node));
    const costs = [
      { what: "mesh nodes", type: "m7gd.2xlarge", count: 2, priceClass: 5.23 },
      { what: "pool web", type: "m7g.large", count: 1, maxCount: 4, priceClass: 1, note: "spot" },
      { what: "snapshot store hourly", type: "S3 Standard", count: 1, note: "paid by size" },
    ];
    expect(formatSummary({ ...small, nodes, costs })).toContain(`
Machines
  node  why this one
  n-1   m7gd.2xlarge: 8 vCPU, 32 GiB, 1×474 GB NVMe

What runs, by price class (1 is a small machine of the cloud)
  what                   type          count   each  in all  note
  mesh nodes             m7gd.2xlarge  2       5.2   10.5
  pool web               m7g.large     1 to 4  1     1 to 4  spot
  snapshot store hourly  S3 Standard   1                     paid by size

Topics
`);
  });

  it("shows the whole mesh in aligned tables", () => {
    expect(formatSummary(small)).toBe(`Mesh quotes in namespace quotes-eu: 3 shards × 2 on 2 mesh nodes (shard map 10a725de873938b0)

Mesh nodes (* = primary)
  node     zone    shards
  n-1      zone-a  0* 1 2*
  node-10  b       0 1* 2

Topics
  topic   partitions
  orders  16

Databases (each pod reaches the one of its own node)
  engine    endpoint
  postgres  quotes-db.quotes-eu.svc:5432

Snapshots
  group   schedule   when                    store  restores shards  in use
  hourly  0 * * * *  every hour at minute 0  s3     yes              20261121t0500z 20261121t0600z
  daily   0 2 * * *  every day at 02:00      nfs    no               none

Services
  service  version  snapshot        endpoint                      answers for  weight
  prices   v1       20261121t0600z  prices-v1.quotes-eu.svc:8080  one pod      90

Routes
  route   request                              goes to
  prices  GET http://mesh.example.test/prices  prices v1

${next}`);
  });

  it("shows warnings first and leaves out what the mesh does not have", () => {
    const bare: MeshSummary = {
      ...small,
      shards: { ...small.shards, warnings: ["zoneSpread: 3 of 3 shards have two replicas in one zone"] },
      nodes: small.nodes.slice(0, 1),
      ...{ topics: [], databases: [], snapshots: [], services: [], routes: [] },
    };
    expect(formatSummary(bare)).toBe(`Mesh quotes in namespace quotes-eu: 3 shards × 2 on 1 mesh node (shard map 10a725de873938b0)
  warning: zoneSpread: 3 of 3 shards have two replicas in one zone

Mesh nodes (* = primary)
  node  zone    shards
  n-1   zone-a  0* 1 2*

${next}`);
  });
});
