/** The life of one cloud's stack on the real engine, the same for every cloud: what a test file of a cloud calls. */
import { cloudConfig, type CloudConfig, cloudStack, configure, nameOf, resourcesOf } from "./cloud-stacks";
import { type PlayedCloud, playedCloud } from "./played-cloud";
import type { ExportedResource, ExportedState, TestStack } from "./pulumi";
import { type Outcome, type Step, succeeded, summary } from "./pulumi-events";

/** What differs from cloud to cloud. */
export interface CloudCase {
  /** Of the stack. */
  name: "aws" | "gcp" | "azure";
  /** Of the Pulumi package. */
  packageName: string;
  clusterType: string;
  /** Of the group that is one mesh node. */
  nodeType: string;
  /** Which resources make the network that machines lie in. */
  networkTypes: readonly string[];
  /** `command` of the kubeconfig. */
  login: string;
  /** Value of `clusterIdentifier`. */
  identifier: string;
  /** Updates that follow from another version of the cluster. */
  versionUpdates: readonly string[];
  /** A zone of a node that is added. */
  zone: string;
  /** Names of what carries no tags of its own and hangs on what does, so that a tag updates nothing of it. */
  untagged: readonly RegExp[];
}

const longest = 180_000;

/** Defines the tests. */
export function describeCloudStack(one: CloudCase): void {
  describe(`the stack ${one.name}`, () => {
    let cloud: PlayedCloud;
    let stack: TestStack;
    let state: ExportedState;

    beforeAll(async () => {
      cloud = playedCloud();
      stack = await cloudStack(cloud, one.name);
    }, 120_000);
    afterAll(async () => {
      await cloud?.dispose();
    }, 60_000);

    const previewOf = async (change: (config: CloudConfig) => void): Promise<Outcome> => {
      const config = cloudConfig(one.name);
      change(config);
      await configure(stack, config);
      return succeeded(await stack.preview());
    };
    const named = (name: string): ExportedResource => {
      const found = (state.deployment.resources ?? []).filter(({ urn }) => nameOf(urn) === name);
      expect(found).toHaveLength(1);
      return found[0];
    };

    it(
      "is planned as it is then made, with the address of the cluster unknown and its identifier known",
      async () => {
        const preview = succeeded(await stack.preview());
        expect(new Set(preview.steps.map(({ op }) => op))).toEqual(new Set(["create"]));
        expect(preview.stdout).toContain("[unknown]");
        expect(preview.stdout).toContain(one.identifier);
        expect(cloud.world.all()).toEqual([]);
        const up = succeeded(await stack.up());
        expect(summary(up)).toEqual(summary(preview));
        state = await stack.export();
        expect(summary(succeeded(await stack.preview()))).toEqual([]);
      },
      longest,
    );

    it("has everything below the mesh, and every resource of the providers that are meant for it", () => {
      const all = state.deployment.resources ?? [];
      const rootless = all.filter(({ parent, type }) => !parent && type !== "pulumi:pulumi:Stack");
      expect(rootless).toEqual([]);
      const below = all.filter(({ type }) => !type.startsWith("pulumi:") && type !== "compute-mesh:index:ComputeMesh");
      expect(below.filter(({ parent }) => parent?.endsWith(":Stack::" + `compute-mesh-${one.name}`))).toEqual([]);
      const providers = (packageName: string): string[] => [
        ...new Set(resourcesOf(state, packageName).map((resource) => nameOf(providerOf(resource).replace(/::[^:]+$/, "")))),
      ];
      expect(providers(one.packageName)).toEqual([one.name]);
      expect(providers("kubernetes")).toEqual(["mesh-cluster-kubernetes"]);
      const { inputs } = named("mesh-cluster-kubernetes");
      expect(inputs).toMatchObject({ clusterIdentifier: one.identifier, enableServerSideApply: "true" });
    });

    it("keeps a kubeconfig that holds no key, as a secret", async () => {
      const { stdout } = await stack.pulumi("stack", "export", "--stack", one.name, "--show-secrets");
      const shown = JSON.parse(stdout) as ExportedState;
      const provider = shown.deployment.resources?.find(({ urn }) => nameOf(urn) === "mesh-cluster-kubernetes");
      const text = JSON.parse((provider?.inputs?.["kubeconfig"] as { plaintext: string }).plaintext) as string;
      const [{ user }] = (JSON.parse(text) as { users: [{ user: { exec: { command: string } } }] }).users;
      expect(Object.keys(user)).toEqual(["exec"]);
      expect(user.exec.command).toBe(one.login);
      expect(JSON.stringify(state)).not.toContain("certificate-authority-data");
    }, 60_000);

    it("puts databases after their nodes, nodes after their cluster, and the cluster after its network", () => {
      const [cluster] = resourcesOf(state, one.packageName).filter(({ type }) => type === one.clusterType);
      const nodes = meshNodes(state, one);
      expect(nodes).toHaveLength(6);
      const database = closure(state, named("mesh-db-daemon-set").urn);
      expect(nodes.filter(({ urn }) => !database.has(urn))).toEqual([]);
      for (const node of nodes) {
        expect(closure(state, node.urn)).toContain(cluster?.urn);
      }
      const below = closure(state, cluster.urn);
      for (const type of one.networkTypes) {
        expect([...below].some((urn) => urn.includes(`${type}::`))).toBe(true);
      }
    });

    it(
      "takes another version of the cluster, and another tag, without replacing anything",
      async () => {
        const version = await previewOf(({ cloud: { [one.name]: options } }) => (options.cluster.create.version = "1.35"));
        expect(summary(version)).toEqual([...one.versionUpdates].sort());
        const tags = await previewOf(({ cloud: { [one.name]: options } }) => (options.tags = { team: "quotes" }));
        expect(new Set(tags.steps.map(({ op }) => op))).toEqual(new Set(["update"]));
        expect(tags.steps.filter(({ type }) => type.startsWith("kubernetes:") || type.startsWith("compute-mesh:"))).toEqual([]);
        const updated = new Set(tags.steps.map(({ name }) => name));
        const others = resourcesOf(state, one.packageName).map(({ urn }) => nameOf(urn));
        expect(others.filter((name) => !updated.has(name) && !one.untagged.some((pattern) => pattern.test(name)))).toEqual([]);
      },
      longest,
    );

    it(
      "takes a node more and a node less without touching another one",
      async () => {
        const more = await previewOf(({ mesh }) => (mesh.nodes["n-7"] = { spec: { ...mesh.nodes["n-1"].spec, zone: one.zone } }));
        expect(replacing(more)).toEqual([]);
        expect(stepsOf(more, one)).toEqual(
          stepsOf(more, one).filter(({ name, op }) => op === "create" && name.startsWith("mesh-nodes-n-7-")),
        );
        expect(stepsOf(more, one).filter(({ type }) => type === one.nodeType)).toHaveLength(1);
        const fewer = await previewOf(({ mesh }) => delete mesh.nodes["n-2"]);
        expect(replacing(fewer)).toEqual([]);
        expect(stepsOf(fewer, one).filter(({ type }) => type === one.nodeType)).toHaveLength(1);
        expect(stepsOf(fewer, one)).toEqual(
          stepsOf(fewer, one).filter(({ name, op }) => op === "delete" && name.startsWith("mesh-nodes-n-2-")),
        );
      },
      longest,
    );

    it(
      "replaces one mesh node where its spec changes, the new machine first",
      async () => {
        const config = cloudConfig(one.name);
        config.mesh.nodes["n-1"].spec.cpu = "16";
        await configure(stack, config);
        const before = machineOf("n-1");
        const preview = succeeded(await stack.preview());
        expect(replacing(preview).filter(({ type }) => type === one.nodeType)).toHaveLength(1);
        expect(replacing(preview).filter(({ name }) => !name.startsWith("mesh-nodes-n-1-"))).toEqual([]);
        const up = succeeded(await stack.up());
        const [node] = replacing(up).filter(({ type }) => type === one.nodeType);
        const order = up.steps.filter(({ urn }) => urn === node?.urn).map(({ op }) => op);
        expect(order).toEqual(["create-replacement", "replace", "delete-replaced"]);
        expect(machineOf("n-1")).not.toBe(before);
        expect(cloud.world.find(one.nodeType, before)).toBeUndefined();
      },
      longest,
    );

    it(
      "refuses to be destroyed while it is protected, and then leaves nothing, in an order that strands nothing",
      async () => {
        const refused = await stack.destroy();
        expect(refused.code).not.toBe(0);
        expect(refused.text).toContain("protect");
        await stack.pulumi("state", "unprotect", "--all", "--stack", one.name, "--yes");
        const { steps } = succeeded(await stack.destroy());
        const at = (matches: (step: Step) => boolean): number[] => steps.flatMap((step, index) => (matches(step) ? [index] : []));
        const workloads = at(({ type }) => /^kubernetes:(apps\/v1:|core\/v1:Namespace)/.test(type));
        const nodes = at(({ type }) => type === one.nodeType);
        const cluster = at(({ type }) => type === one.clusterType);
        const network = at(({ type }) => one.networkTypes.includes(type));
        expect(Math.max(...workloads)).toBeLessThan(Math.min(...nodes));
        expect(Math.max(...nodes, ...at(({ type }) => type.startsWith("kubernetes:")))).toBeLessThan(cluster[0]);
        expect(cluster[0]).toBeLessThan(Math.min(...network));
        expect(cloud.world.all().map(({ token, id }) => `${token} ${id}`)).toEqual([]);
      },
      longest,
    );

    function machineOf(nodeName: string): string {
      const found = cloud.world.all().filter(({ token, urn }) => token === one.nodeType && urn.includes(`mesh-nodes-${nodeName}-`));
      expect(found).toHaveLength(1);
      return found[0]?.id ?? "";
    }
  });
}

/** Steps of the cloud's own resources. */
function stepsOf(outcome: Outcome, one: CloudCase): Step[] {
  return outcome.steps.filter(({ type }) => type.startsWith(`${one.packageName}:`));
}

/** One step for each resource that is replaced, or deleted without being replaced by a resource of its own. */
function replacing(outcome: Outcome): Step[] {
  return outcome.steps.filter(({ op }) => op === "replace");
}

function meshNodes(state: ExportedState, one: CloudCase): ExportedResource[] {
  return resourcesOf(state, one.packageName).filter(({ type, urn }) => type === one.nodeType && nameOf(urn).startsWith("mesh-nodes-"));
}

function providerOf(resource: ExportedResource): string {
  return resource.provider ?? "";
}

/** All that a resource depends on, directly or not: by dependencies, by its provider, by its parents, and by what components hand on. */
function closure(state: ExportedState, urn: string): Set<string> {
  const byUrn = new Map((state.deployment.resources ?? []).map((resource) => [resource.urn, resource]));
  const seen = new Set<string>();
  const visit = (each: string): void => {
    if (seen.has(each)) {
      return;
    }
    seen.add(each);
    const resource = byUrn.get(each);
    const provider = resource === undefined ? "" : providerOf(resource).replace(/::[^:]+$/, "");
    [...(resource?.dependencies ?? []), ...(provider === "" ? [] : [provider])].forEach(visit);
  };
  visit(urn);
  return seen;
}
