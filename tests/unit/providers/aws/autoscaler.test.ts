/** The Cluster Autoscaler, where it is asked for. */
import { created, dependencies, run, shape } from "./support";

const scaled = { ...created, cluster: { create: { name: "quotes", version: "1.33", autoscaler: true } } };

describe("the autoscaler of pools", () => {
  it("is there where it is asked for, below the mesh like all of the cluster", async () => {
    const without = new Set(shape(await run(created)));
    expect(shape(await run(scaled)).filter((line) => !without.has(line))).toEqual([
      "aws:eks/podIdentityAssociation:PodIdentityAssociation mesh-cluster-autoscaler-identity",
      "aws:iam/role:Role mesh-cluster-autoscaler-role",
      "aws:iam/rolePolicy:RolePolicy mesh-cluster-autoscaler-policy",
      "kubernetes:apps/v1:Deployment mesh-cluster-autoscaler",
      "kubernetes:core/v1:ServiceAccount mesh-cluster-autoscaler",
      "kubernetes:rbac.authorization.k8s.io/v1:ClusterRole mesh-cluster-autoscaler-cluster-role",
      "kubernetes:rbac.authorization.k8s.io/v1:ClusterRoleBinding mesh-cluster-autoscaler-cluster-binding",
      "kubernetes:rbac.authorization.k8s.io/v1:Role mesh-cluster-autoscaler-role",
      "kubernetes:rbac.authorization.k8s.io/v1:RoleBinding mesh-cluster-autoscaler-binding",
    ]);
  });

  it("changes groups of its own cluster alone, without a key", async () => {
    const recorder = await run(scaled);
    const [reads, writes] = JSON.parse(recorder.named("mesh-cluster-autoscaler-policy").inputs.policy).Statement;
    expect(reads.Action.filter((action: string) => !/^\w+:(Describe|Get)/.test(action))).toEqual([]);
    expect(writes).toEqual({
      Effect: "Allow",
      Action: ["autoscaling:SetDesiredCapacity", "autoscaling:TerminateInstanceInAutoScalingGroup"],
      Resource: "*",
      Condition: { StringEquals: { "aws:ResourceTag/k8s.io/cluster-autoscaler/quotes": "owned" } },
    });
    expect(recorder.named("mesh-cluster-autoscaler-identity").inputs).toMatchObject({
      clusterName: "quotes",
      namespace: "kube-system",
      serviceAccount: "cluster-autoscaler",
    });
  });

  it("is of the cluster's version, finds the groups by their tags, and waits for its identity but not for a node", async () => {
    const recorder = await run(scaled);
    const deployment = recorder.named("mesh-cluster-autoscaler", "kubernetes:apps/v1:Deployment");
    const [container] = deployment.inputs.spec.template.spec.containers;
    expect(container.image).toBe("registry.k8s.io/autoscaling/cluster-autoscaler:v1.33.0");
    expect(container.command).toContain(
      "--node-group-auto-discovery=asg:tag=k8s.io/cluster-autoscaler/enabled,k8s.io/cluster-autoscaler/quotes",
    );
    expect(deployment.inputs.metadata.annotations).toEqual({ "pulumi.com/skipAwait": "true" });
    expect(dependencies(deployment)).toEqual(
      expect.arrayContaining(["mesh-cluster-autoscaler-identity", "mesh-cluster-autoscaler-binding"]),
    );
    expect(deployment.provider).toContain("mesh-cluster-kubernetes");
  });
});
