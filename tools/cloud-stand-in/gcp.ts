/**
 * Resources of Google Cloud. What replaces is what hashicorp/terraform-provider-google, which the Pulumi provider is built on, marks ForceNew
 * (google/services/<service>/*.go).
 */
import type { JsonMap } from "../kubernetes-provider/json";
import { type Cloud, type Rule, text } from "./rule";

/** A resource whose id is a path with its inputs in the places of `{…}`. */
function pathRule(path: string, replacedBy: readonly string[], more: Partial<Rule> = {}): Rule {
  const keys = [...path.matchAll(/\{(\w+)\}/g)].map(([, key = ""]) => key);
  return {
    id: (inputs) => path.replace(/\{(\w+)\}/g, (_all, key: string) => text(inputs, key)),
    replacedBy: [...keys, ...replacedBy],
    ...more,
  };
}

/** Every resource of Compute Engine has its address as an output. */
const compute = (path: string, replacedBy: readonly string[]): Rule =>
  pathRule(path, [...replacedBy, "description"], {
    autoname: "name",
    outputs: ({ id }) => ({ selfLink: `https://www.googleapis.com/compute/v1/${id}` }),
  });

/** A role for one member: nothing of it can be changed. */
const memberRule = (key: string): Rule => ({
  id: (inputs) => [key, "role", "member"].map((each) => text(inputs, each)).join("/"),
  replacedBy: [key, "role", "member", "condition"],
});

/** The account of a machine, local disks, and most of what it boots with; machine type, image, labels, taints and tags change in place. */
const nodeConfig = [
  ...["ephemeralStorageLocalSsdConfig", "localNvmeSsdBlockConfig", "localSsdCount", "guestAccelerators", "metadata", "minCpuPlatform"],
  ...["oauthScopes", "preemptible", "spot", "reservationAffinity", "serviceAccount", "shieldedInstanceConfig", "bootDiskKmsKey"],
  ...["advancedMachineFeatures", "confidentialNodes", "hostMaintenancePolicy", "nodeGroup", "soleTenantConfig"],
].map((key) => `nodeConfig.${key}`);

const cluster = pathRule(
  "projects/{project}/locations/{location}/clusters/{name}",
  [
    ...["network", "subnetwork", "networkingMode", "ipAllocationPolicy", "initialNodeCount", "enableAutopilot", "datapathProvider"],
    ...["description", "defaultMaxPodsPerNode", "clusterIpv4Cidr", "enableKubernetesAlpha", "privateClusterConfig.masterIpv4CidrBlock"],
    ...nodeConfig,
  ],
  {
    autoname: "name",
    outputs: ({ inputs, digits }) => ({
      endpoint: `10.${[0, 2, 4].map((at) => parseInt(digits.slice(at, at + 2), 16)).join(".")}`,
      masterAuth: { clusterCaCertificate: Buffer.from("certificate").toString("base64"), clientCertificate: "", clientKey: "" },
      masterVersion: `${text(inputs, "minMasterVersion") || "1.33"}.4-gke.1`,
      selfLink: `https://container.googleapis.com/v1/projects/${text(inputs, "project")}/clusters/${text(inputs, "name")}`,
    }),
    unknownOnUpdate: ["masterVersion"],
  },
);

const nodePool = pathRule(
  "{project}/{location}/{cluster}/{name}",
  ["namePrefix", "initialNodeCount", "maxPodsPerNode", "placementPolicy", ...nodeConfig],
  {
    autoname: "name",
    outputs: ({ digits }) => ({ instanceGroupUrls: [`https://www.googleapis.com/compute/v1/instanceGroupManagers/${digits}`] }),
  },
);

const account = pathRule("projects/{project}/serviceAccounts/{accountId}", [], {
  outputs: ({ inputs }) => {
    const email = `${text(inputs, "accountId")}@${text(inputs, "project")}.iam.gserviceaccount.com`;
    return { email, member: `serviceAccount:${email}`, name: `projects/${text(inputs, "project")}/serviceAccounts/${email}` };
  },
});

const bucket: Rule = {
  id: (inputs) => text(inputs, "name"),
  autoname: "name",
  replacedBy: ["name", "location", "project", "customPlacementConfig", "hierarchicalNamespace", "enableObjectRetention"],
  outputs: ({ id }) => ({ url: `gs://${id}`, selfLink: `https://www.googleapis.com/storage/v1/b/${id}` }),
};

/** A look-up of a cluster that is not there gives an empty answer. */
function getCluster(args: JsonMap, world: Parameters<NonNullable<Cloud["functions"]>[string]>[1]): JsonMap {
  const id = `projects/${text(args, "project")}/locations/${text(args, "location")}/clusters/${text(args, "name")}`;
  const { masterAuth, ...outputs } = world.find("gcp:container/cluster:Cluster", id)?.outputs ?? {};
  return { ...args, ...outputs, id, masterAuths: masterAuth === undefined ? [] : [masterAuth] };
}

export const gcp: Cloud = {
  name: "gcp",
  nameSeparator: "-",
  keptInPreview: "all",
  deletesFirst: "sameName",
  rules: {
    "gcp:compute/network:Network": compute("projects/{project}/global/networks/{name}", ["autoCreateSubnetworks"]),
    "gcp:compute/subnetwork:Subnetwork": compute("projects/{project}/regions/{region}/subnetworks/{name}", ["network", "purpose"]),
    "gcp:compute/router:Router": compute("projects/{project}/regions/{region}/routers/{name}", ["network"]),
    "gcp:compute/routerNat:RouterNat": pathRule("{project}/{region}/{router}/{name}", ["type"], { autoname: "name" }),
    "gcp:container/cluster:Cluster": cluster,
    "gcp:container/nodePool:NodePool": nodePool,
    "gcp:serviceaccount/account:Account": account,
    "gcp:serviceaccount/iAMMember:IAMMember": memberRule("serviceAccountId"),
    "gcp:projects/iAMMember:IAMMember": memberRule("project"),
    "gcp:storage/bucket:Bucket": bucket,
    "gcp:storage/bucketIAMMember:BucketIAMMember": memberRule("bucket"),
    "gcp:kms/cryptoKeyIAMMember:CryptoKeyIAMMember": memberRule("cryptoKeyId"),
  },
  functions: { "gcp:container/getCluster:getCluster": getCluster },
};
