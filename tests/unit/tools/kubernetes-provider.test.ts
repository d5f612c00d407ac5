import * as fs from "node:fs";
import * as os from "node:os";
import * as path from "node:path";
import fc from "fast-check";
import { annotateSecrets, checkpoint, parseState } from "../../../tools/kubernetes-provider/checkpoint";
import { diff } from "../../../tools/kubernetes-provider/diff";
import { ApiError, conflictHint, NotReadyError, toGrpcError, withoutSecrets } from "../../../tools/kubernetes-provider/errors";
import { type JsonMap, objectId } from "../../../tools/kubernetes-provider/json";
import { madeBy, openJournal } from "../../../tools/kubernetes-provider/journal";
import { ignoredPatterns, parsePattern, pathText, withIgnored } from "../../../tools/kubernetes-provider/paths";
import { plan } from "../../../tools/kubernetes-provider/plan";
import { pendingByStatus } from "../../../tools/kubernetes-provider/ready";
import { pluginVersion } from "../../../tools/kubernetes-provider/service";
import { kindOfUrn } from "../../../tools/kubernetes-provider/session";
import { foldStringData, normalise, prune, pruneMap } from "../../../tools/kubernetes-provider/shape";
import { hasUnknown, isSecret, secret, toPlain, unknown } from "../../../tools/kubernetes-provider/wire";

/** Keys as Kubernetes objects have them, and some that need quotes in paths. */
const key = fc
  .oneof(
    fc.constantFrom("a", "b", "spec", "x-kubernetes-y", "app.kubernetes.io/name", "*", 'q"uote', "back\\slash", "[0]"),
    fc.string({ maxLength: 4 }),
  )
  .filter((each) => each !== "__proto__");
const { value: json } = fc.letrec<{ value: JsonMap; map: JsonMap }>((tie) => ({
  value: fc.oneof(
    { depthSize: "small" },
    fc.string({ maxLength: 5 }),
    fc.integer(),
    fc.boolean(),
    fc.array(tie("value"), { maxLength: 3 }),
    tie("map"),
  ) as fc.Arbitrary<JsonMap>,
  map: fc.dictionary(key, tie("value"), { maxKeys: 4 }),
}));
const map = fc.dictionary(key, json, { maxKeys: 5 }) as fc.Arbitrary<JsonMap>;

const state = (inputs: JsonMap, live: JsonMap = inputs) => ({ inputs, live, initialApiVersion: "v1", fieldManager: "m" });
const mutable = { configMaps: true, secrets: true };
const frozen = { configMaps: false, secrets: false };
const changed = (before: JsonMap, after: JsonMap, ignored: string[] = [], settings = mutable) =>
  plan(state(before), after, ignoredPatterns(after, ignored), settings, true);
const paths = (changes: readonly { path: readonly (string | number)[] }[]): string[] => changes.map((change) => pathText(change.path));

describe("diff", () => {
  it("is empty exactly when both sides are equal", () => {
    fc.assert(fc.property(json, (x) => expect(diff(x, structuredClone(x))).toEqual([])));
    fc.assert(
      fc.property(json, json, (x, y) => expect(diff(x, y).length === 0).toBe(JSON.stringify(sorted(x)) === JSON.stringify(sorted(y)))),
    );
  });

  it("says where something was added, changed and taken away", () => {
    expect(diff({ a: 1, b: [1, 2], c: "x" }, { a: 2, b: [1], d: { e: 1 } })).toEqual([
      { path: ["a"], kind: "update", before: 1, after: 2 },
      { path: ["b", 1], kind: "delete", before: 2 },
      { path: ["c"], kind: "delete", before: "x" },
      { path: ["d"], kind: "add", after: { e: 1 } },
    ]);
  });
});

describe("prune", () => {
  it("is idempotent, and leaves alone what has the shape already", () => {
    fc.assert(fc.property(json, json, (source, target) => expect(prune(prune(source, target), target)).toEqual(prune(source, target))));
    fc.assert(fc.property(json, (x) => expect(prune(x, x)).toEqual(x)));
  });

  it("drops what the server added, also inside lists", () => {
    const live = { spec: { replicas: 1, containers: [{ name: "c", image: "i", imagePullPolicy: "Always" }] }, status: {} };
    expect(pruneMap(live, { spec: { containers: [{ name: "c", image: "old" }] } })).toEqual({
      spec: { containers: [{ name: "c", image: "i" }] },
    });
  });
});

describe("normalise", () => {
  it("is idempotent", () => {
    fc.assert(fc.property(map, (x) => expect(normalise(normalise(x))).toEqual(normalise(x))));
  });

  it("drops server-owned metadata and folds stringData into data", () => {
    const object = {
      apiVersion: "v1",
      kind: "Secret",
      metadata: { name: "s", uid: "u", managedFields: [] },
      data: { a: "eA==" },
      stringData: { b: "x", c: unknown },
    };
    expect(normalise(object)).toEqual({
      apiVersion: "v1",
      kind: "Secret",
      metadata: { name: "s" },
      data: { a: "eA==", b: "eA==", c: unknown },
    });
    expect(foldStringData({ kind: "ConfigMap", stringData: { a: "1" } })).toEqual({ kind: "ConfigMap", stringData: { a: "1" } });
  });
});

describe("property paths", () => {
  it("come back as they were written", () => {
    fc.assert(
      fc.property(fc.array(fc.oneof(key, fc.nat(9)), { minLength: 1, maxLength: 4 }), (x) => expect(parsePattern(pathText(x))).toEqual(x)),
    );
  });

  it("are read in every form that Pulumi knows", () => {
    expect(parsePattern('spec.template["a.b/c"][0].image')).toEqual(["spec", "template", "a.b/c", 0, "image"]);
    expect(parsePattern("spec.containers[*].image")).toHaveLength(4);
    expect(() => parsePattern("spec[")).toThrow('"spec[" is no property path');
  });
});

describe("ignored paths", () => {
  const object = {
    spec: {
      replicas: 1,
      containers: [
        { name: "a", image: "1" },
        { name: "b", image: "1" },
      ],
    },
    data: { x: "1", y: "1" },
  };
  const live = {
    spec: {
      replicas: 5,
      containers: [
        { name: "a", image: "9" },
        { name: "b", image: "8" },
      ],
    },
    data: { x: "2", y: "2" },
    more: 1,
  };
  const apply = (...texts: string[]): JsonMap => withIgnored(object, live, texts.map(parsePattern));

  it("take the live value: at the top, nested, and in lists", () => {
    expect(apply("data")["data"]).toEqual({ x: "2", y: "2" });
    expect(apply("data.x", "spec.replicas")).toMatchObject({ data: { x: "2", y: "1" }, spec: { replicas: 5 } });
    expect(apply("spec.containers[1].image")["spec"]).toMatchObject({ containers: [{ image: "1" }, { image: "8" }] });
    expect(apply("spec.containers[*].image")["spec"]).toMatchObject({ containers: [{ image: "9" }, { image: "8" }] });
  });

  it("send nothing that the program does not have, and drop what is no longer there", () => {
    expect(withIgnored({ a: 1 }, live, [parsePattern("more"), parsePattern("spec.replicas")])).toEqual({ a: 1 });
    expect(withIgnored({ a: 1, b: { c: 1 } }, {}, [parsePattern("a"), parsePattern("b.c")])).toEqual({ b: {} });
  });

  it("leave no change at or below them, and change nothing else", () => {
    expect(
      changed({ spec: { replicas: 5 }, data: { x: "1" } }, { spec: { replicas: 1 }, data: { x: "2" } }, ["spec.replicas"]).changes.map(
        ({ path: at }) => at,
      ),
    ).toEqual([["data", "x"]]);
    fc.assert(
      fc.property(map, map, key, (before, after, name) => {
        fc.pre(!["metadata", "apiVersion", "kind", "stringData"].includes(name));
        const left = changed(before, after, [pathText([name])]).changes;
        expect(left.filter((change) => change.path[0] === name)).toEqual([]);
      }),
    );
  });

  it("find stringData of a Secret where it is stored", () => {
    const before = { apiVersion: "v1", kind: "Secret", metadata: { name: "s" }, data: { a: "b2xk" } };
    const after = { apiVersion: "v1", kind: "Secret", metadata: { name: "s" }, stringData: { a: "new" } };
    expect(changed(before, after).changes).toHaveLength(1);
    expect(changed(before, after, ["stringData"]).changes).toEqual([]);
  });
});

describe("replacement", () => {
  const workload = (kind: string, spec: JsonMap): JsonMap => ({
    apiVersion: "apps/v1",
    kind,
    metadata: { name: "w", namespace: "n" },
    spec,
  });

  it.each([
    ["DaemonSet", { selector: { matchLabels: { a: "1" } } }, { selector: { matchLabels: { a: "2" } } }, ["spec.selector.matchLabels.a"]],
    ["DaemonSet", { template: { a: 1 } }, { template: { a: 2 } }, []],
    ["StatefulSet", { serviceName: "a", replicas: 1 }, { serviceName: "b", replicas: 2 }, ["spec.serviceName"]],
    [
      "StatefulSet",
      { volumeClaimTemplates: [{ spec: { size: 1 } }] },
      { volumeClaimTemplates: [{ spec: { size: 2 } }] },
      ["spec.volumeClaimTemplates[0].spec.size"],
    ],
    ["StatefulSet", {}, { revisionHistoryLimit: 2 }, ["spec.revisionHistoryLimit"]],
    ["Deployment", { selectors: 1 }, { selectors: 2 }, []],
  ])("of a %s whose spec goes from %j to %j: %j", (kind, before, after, forced) => {
    expect(paths(changed(workload(kind, before as JsonMap), workload(kind, after as JsonMap)).forced)).toEqual(forced);
  });

  it("knows the immutable fields of other kinds", () => {
    const forced = (apiVersion: string, kind: string, before: JsonMap, after: JsonMap): string[] =>
      paths(
        changed({ apiVersion, kind, metadata: { name: "o" }, ...before }, { apiVersion, kind, metadata: { name: "o" }, ...after }).forced,
      );
    expect(forced("v1", "Service", { spec: { clusterIP: "None" } }, { spec: { clusterIP: "" } })).toEqual(["spec.clusterIP"]);
    expect(forced("batch/v1", "Job", { spec: { template: { a: 1 }, suspend: true } }, { spec: { template: { a: 2 } } })).toEqual([
      "spec.template.a",
    ]);
    expect(forced("v1", "Pod", { spec: { containers: [{ image: "1" }] } }, { spec: { containers: [{ image: "2" }] } })).toEqual([
      "spec.containers[0].image",
    ]);
    expect(forced("rbac.authorization.k8s.io/v1", "RoleBinding", { roleRef: { name: "a" } }, { roleRef: { name: "b" } })).toEqual([
      "roleRef.name",
    ]);
    expect(forced("storage.k8s.io/v1", "StorageClass", { provisioner: "a" }, { provisioner: "b" })).toEqual(["provisioner"]);
    expect(forced("v1", "Node", { spec: { taints: [] } }, { spec: { taints: [{ key: "a" }] } })).toEqual([]);
    expect(forced("example.com/v1", "StatefulSet", { spec: { serviceName: "a" } }, { spec: { serviceName: "b" } })).toEqual([]);
  });

  it("of ConfigMaps and Secrets depends on the provider's settings and on `immutable`", () => {
    for (const kind of ["ConfigMap", "Secret"]) {
      const object = (value: string, more: JsonMap = {}): JsonMap => ({
        apiVersion: "v1",
        kind,
        metadata: { name: "c" },
        data: { a: value },
        ...more,
      });
      expect(paths(changed(object("1"), object("2"), [], frozen).forced)).toEqual(["data.a"]);
      expect(changed(object("1"), object("2")).forced).toEqual([]);
      expect(paths(changed(object("1", { immutable: true }), object("2", { immutable: true })).forced)).toEqual(["data.a"]);
      expect(changed(object("1"), { ...object("1"), metadata: { name: "c", labels: { a: "b" } } }, [], frozen).forced).toEqual([]);
    }
  });

  it("deletes first only where the name stays and was chosen by the program", () => {
    const object = (name: string, value: string, annotations: JsonMap = {}): JsonMap => ({
      ...workload("DaemonSet", { selector: value }),
      metadata: { name, namespace: "n", annotations },
    });
    expect(changed(object("a", "1"), object("a", "2")).deleteBeforeReplace).toBe(true);
    expect(changed(object("a", "1"), object("b", "1"))).toMatchObject({
      deleteBeforeReplace: false,
      forced: [{ path: ["metadata", "name"] }],
    });
    const auto = { "pulumi.com/autonamed": "true" };
    expect(changed(object("a", "1", auto), object("a", "2", auto)).deleteBeforeReplace).toBe(false);
    expect(changed(object("a", "1"), object("a", "1")).deleteBeforeReplace).toBe(false);
  });

  it("does not follow from a parent that is only unknown", () => {
    expect(changed(workload("DaemonSet", {}), { ...workload("DaemonSet", {}), spec: unknown }).forced).toEqual([]);
  });
});

describe("the plan", () => {
  it("has no change for what the program said before, whatever the server added", () => {
    fc.assert(
      fc.property(map, map, (inputs, added) => {
        const live = { ...added, ...inputs };
        expect(plan(state(inputs, live), inputs, [], frozen, true).changes).toEqual([]);
      }),
    );
  });

  it("takes a missing namespace for the default one, and none for cluster-wide kinds", () => {
    const inputs = (metadata: JsonMap): JsonMap => ({ apiVersion: "v1", kind: "Node", metadata: { name: "n", ...metadata } });
    expect(changed(inputs({}), inputs({ namespace: "default" })).changes).toEqual([]);
    expect(changed(inputs({}), inputs({ namespace: "other" })).changes).toHaveLength(1);
    expect(plan(state(inputs({})), inputs({ namespace: "other" }), [], mutable, false).changes).toEqual([]);
  });
});

describe("secrets in the state", () => {
  const mark = "very secret text";
  const wireMap = fc.dictionary(
    key,
    fc.oneof(
      json,
      json.map(() => secret(mark)),
      fc.dictionary(key, fc.constantFrom(secret(mark), "open")),
    ),
    { maxKeys: 5 },
  ) as fc.Arbitrary<JsonMap>;
  const inTheClear = (value: unknown): boolean =>
    value === mark || (typeof value === "object" && value !== null && !isSecret(value as JsonMap) && Object.values(value).some(inTheClear));

  it("never lie there in the clear, in outputs or in __inputs", () => {
    fc.assert(
      fc.property(wireMap, (marks) => {
        const plain = toPlain(marks);
        expect(inTheClear(annotateSecrets(plain, marks))).toBe(false);
        expect(inTheClear(checkpoint(plain, { ...plain, status: {} }, marks, "v1", "m"))).toBe(false);
      }),
    );
  });

  it("include all data of a Secret, and what is marked elsewhere in it", () => {
    const object = { apiVersion: "v1", kind: "Secret", metadata: { annotations: { a: mark } }, data: { x: "1" }, stringData: { y: mark } };
    const marked = annotateSecrets(object, { metadata: { annotations: { a: secret(mark) } } });
    expect([isSecret(marked["data"]), isSecret(marked["stringData"]), inTheClear(marked)]).toEqual([true, true, false]);
  });

  it("come back whole: parse(checkpoint(x)) is x", () => {
    const live = {
      apiVersion: "v1",
      kind: "ConfigMap",
      metadata: { name: "c", uid: "u" },
      data: { a: mark },
      "x-kubernetes-list-type": "set",
    };
    const inputs = { apiVersion: "v1", kind: "ConfigMap", metadata: { name: "c" }, data: { a: mark } };
    const written = checkpoint(inputs, live, { data: { a: secret(mark) } }, "v1", "manager");
    expect(parseState(written)).toEqual({ inputs, live, initialApiVersion: "v1", fieldManager: "manager" });
    expect(Object.keys(written)).toContain("x_kubernetes_list_type");
  });

  it("are cut out of messages, encoded or not", () => {
    const encoded = Buffer.from(mark).toString("base64");
    expect(withoutSecrets(`Invalid value: "${mark}" or ${encoded}`, { a: [secret({ b: mark })] })).toBe(
      'Invalid value: "[secret]" or [secret]',
    );
  });
});

describe("readiness", () => {
  const object = (apiVersion: string, kind: string, spec: JsonMap, status: JsonMap): JsonMap => ({
    apiVersion,
    kind,
    metadata: { generation: 2 },
    spec,
    status,
  });
  const observed = { observedGeneration: 2 };

  it.each([
    [
      "a DaemonSet",
      object("apps/v1", "DaemonSet", {}, { ...observed, desiredNumberScheduled: 3, numberReady: 2, updatedNumberScheduled: 3 }),
      "2 of 3 pods ready, 3 updated",
    ],
    [
      "an updated DaemonSet",
      object("apps/v1", "DaemonSet", {}, { ...observed, desiredNumberScheduled: 3, numberReady: 3, updatedNumberScheduled: 3 }),
      undefined,
    ],
    [
      "a DaemonSet that nobody updates",
      object("apps/v1", "DaemonSet", { updateStrategy: { type: "OnDelete" } }, { ...observed, desiredNumberScheduled: 3, numberReady: 3 }),
      undefined,
    ],
    [
      "a StatefulSet",
      object("apps/v1", "StatefulSet", { replicas: 2 }, { ...observed, readyReplicas: 1, updatedReplicas: 2 }),
      "1 of 2 replicas ready, 2 updated",
    ],
    [
      "a Deployment",
      object("apps/v1", "Deployment", { replicas: 2 }, { ...observed, availableReplicas: 2, updatedReplicas: 2, replicas: 3 }),
      "2 of 2 replicas available, 2 updated",
    ],
    ["an old status", object("apps/v1", "Deployment", { replicas: 0 }, { observedGeneration: 1 }), "the controller has not seen it yet"],
    ["a Job", object("batch/v1", "Job", { completions: 3 }, { succeeded: 1, active: 1 }), "1 of 3 completions, 1 running"],
    ["a finished Job", object("batch/v1", "Job", {}, { conditions: [{ type: "Complete", status: "True" }] }), undefined],
    ["a suspended Job", object("batch/v1", "Job", { suspend: true }, {}), undefined],
    ["a Node that is not ready", object("v1", "Node", {}, { conditions: [{ type: "Ready", status: "False" }] }), undefined],
    ["a custom resource", object("example.com/v1", "Job", {}, {}), undefined],
  ])("of %s", (_what, subject, expected) => {
    expect(pendingByStatus(subject)).toBe(expected);
  });

  it("is given up where it cannot come", () => {
    expect(() =>
      pendingByStatus(
        object("batch/v1", "Job", {}, { conditions: [{ type: "Failed", status: "True", reason: "BackoffLimitExceeded", message: "m" }] }),
      ),
    ).toThrow("BackoffLimitExceeded");
    expect(() =>
      pendingByStatus(
        object(
          "apps/v1",
          "Deployment",
          {},
          { ...observed, conditions: [{ type: "Progressing", reason: "ProgressDeadlineExceeded", message: "too slow" }] },
        ),
      ),
    ).toThrow("too slow");
  });
});

describe("the wire", () => {
  it("turns properties into plain objects: no marks, no nulls, dashes", () => {
    expect(toPlain({ a: secret({ b: [secret("x")] }), c: null, x_kubernetes_list_type: "set" })).toEqual({
      a: { b: ["x"] },
      "x-kubernetes-list-type": "set",
    });
    expect(hasUnknown({ a: [{ b: unknown }] })).toBe(true);
  });

  it("reads kinds from type tokens, below components too", () => {
    expect(kindOfUrn("urn:pulumi:s::p::compute-mesh:index:LocalDb$kubernetes:core/v1:Secret::x")).toEqual({
      apiVersion: "v1",
      kind: "Secret",
    });
    expect(kindOfUrn("urn:pulumi:s::p::kubernetes:gateway.networking.k8s.io/v1:HTTPRoute::x")).toEqual({
      apiVersion: "gateway.networking.k8s.io/v1",
      kind: "HTTPRoute",
    });
    expect(objectId({ metadata: { name: "n" } })).toBe("n");
  });

  it("sends the state of an object that is not ready with the error", () => {
    const error = toGrpcError(new NotReadyError("not ready", "n/o", { a: 1, b: undefined }));
    expect(error.details).toBe("not ready");
    expect(error.metadata?.get("grpc-status-details-bin")).toHaveLength(1);
    expect(toGrpcError("text")).toEqual({ code: 2, details: "text" });
  });

  it("tells ways out of a conflict, and only of a conflict", () => {
    expect(conflictHint(new ApiError(409, "Conflict", 'Apply failed with 1 conflict: conflict with "other"'))).toContain("patchForce");
    expect(conflictHint(new ApiError(409, "AlreadyExists", "there"))).toBe("");
  });

  it("reports a version that is not below the SDK's", () => {
    const { version } = jest.requireActual<{ version: string }>("@pulumi/kubernetes/package.json");
    expect(pluginVersion.localeCompare(version, "en", { numeric: true })).toBeGreaterThanOrEqual(0);
  });
});

describe("the journal of creates", () => {
  let home: string;
  beforeEach(() => (home = fs.mkdtempSync(path.join(os.tmpdir(), "compute-mesh-journal-"))));
  afterEach(() => fs.rmSync(home, { recursive: true, force: true }));

  it("knows an interrupted create in the next process only, until the state has the object", async () => {
    const first = await openJournal(home, "backend", "server");
    await first.write("urn", "n/o", { fieldManager: "m", uid: "u" });
    expect(await first.interrupted("urn", "n/o")).toBeUndefined();
    await first.settle("urn", "n/o");
    const second = await openJournal(home, "backend", "server");
    expect(await second.interrupted("urn", "n/o")).toEqual({ fieldManager: "m", uid: "u" });
    expect(await second.interrupted("urn", "n/other")).toBeUndefined();
    expect(await (await openJournal(home, "another backend", "server")).interrupted("urn", "n/o")).toBeUndefined();
    await second.settle("urn", "n/o");
    expect(await (await openJournal(home, "backend", "server")).interrupted("urn", "n/o")).toBeUndefined();
  });

  it("believes an object only by its uid or by the manager that made it, and half a note not at all", async () => {
    const live = { metadata: { uid: "u", managedFields: [{ manager: "m", operation: "Apply" }] } };
    expect([
      madeBy(live, { fieldManager: "m" }),
      madeBy(live, { fieldManager: "x", uid: "u" }),
      madeBy(live, { fieldManager: "x" }),
      madeBy(live, undefined),
    ]).toEqual([true, true, false, false]);
    await (await openJournal(home)).write("urn", "id", { fieldManager: "m" });
    const folder = path.join(home, "kubernetes-stand-in", "creates");
    fs.writeFileSync(path.join(folder, fs.readdirSync(folder)[0] ?? ""), '{"fieldMan');
    expect(await (await openJournal(home)).interrupted("urn", "id")).toBeUndefined();
  });
});

/** A copy for comparing by text: maps as lists of their entries in order. */
function sorted(value: unknown): unknown {
  if (Array.isArray(value)) {
    return value.map(sorted);
  }
  if (typeof value !== "object" || value === null) {
    return value;
  }
  const entries = Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1));
  return { map: entries.map(([name, item]) => [name, sorted(item)]) };
}
