/**
 * Resources of Amazon Web Services. What replaces is what hashicorp/terraform-provider-aws, which the Pulumi provider is built on, marks ForceNew or
 * RequiresReplace (internal/service/<service>/*.go).
 */
import { type JsonMap, numberAt } from "../kubernetes-provider/json";
import { type Cloud, type Made, type Rule, text } from "./rule";

const account = "111122223333";

/** A resource with an id like `vpc-0f1e2d…`. */
function digitsRule(prefix: string, replacedBy: readonly string[], more: Partial<Rule> = {}): Rule {
  return { id: (_inputs, digits) => `${prefix}-${digits}`, ...regional(replacedBy), ...more };
}

/** A resource whose id is its name: the one given, or a prefix that AWS completes. */
function namedRule(property: string, replacedBy: readonly string[], outputs: (made: Made) => JsonMap = () => ({})): Rule {
  const prefix = `${property}Prefix`;
  return {
    id: (inputs, digits) => text(inputs, property) || `${text(inputs, prefix)}${digits}`,
    autoname: property,
    ...regional([property, prefix, ...replacedBy]),
    outputs: (made) => ({ [property]: made.id, ...outputs(made) }),
  };
}

/** A resource that is a part of another: its id is made of the inputs that replace it. */
function partRule(...keys: readonly string[]): Rule {
  return { id: (inputs) => keys.map((key) => text(inputs, key)).join(":"), ...regional(keys) };
}

/** Since release 7 every resource may name its region, and a change of it replaces. */
function regional(replacedBy: readonly string[]): { replacedBy: readonly string[] } {
  return { replacedBy: [...replacedBy, "region"] };
}

const arn = (service: string, resource: string): string => `arn:aws:${service}:eu-west-1:${account}:${resource}`;
const globalArn = (service: string, resource: string): string => `arn:aws:${service}::${account}:${resource}`;
const withArn =
  (service: string, kind: string) =>
  ({ id }: Made): JsonMap => ({ arn: arn(service, `${kind}/${id}`) });

function clusterOutputs({ inputs, id, digits }: Made): JsonMap {
  const issuer = `https://oidc.eks.eu-west-1.amazonaws.com/id/${digits.toUpperCase()}`;
  const vpcConfig = inputs["vpcConfig"] as JsonMap;
  return {
    arn: arn("eks", `cluster/${id}`),
    endpoint: `https://${digits.toUpperCase()}.gr7.eu-west-1.eks.amazonaws.com`,
    certificateAuthority: { data: Buffer.from(`certificate of ${id}`).toString("base64") },
    identities: [{ oidcs: [{ issuer }] }],
    platformVersion: "eks.1",
    status: "ACTIVE",
    vpcConfig: { ...vpcConfig, clusterSecurityGroupId: `sg-${digits}`, vpcId: "vpc-of-the-subnets" },
  };
}

const cluster: Rule = {
  id: (inputs) => text(inputs, "name"),
  autoname: "name",
  // The version goes up in place; so do endpoints, logging and tags.
  ...regional([
    "name",
    "roleArn",
    "bootstrapSelfManagedAddons",
    "accessConfig.bootstrapClusterCreatorAdminPermissions",
    "kubernetesNetworkConfig.ipFamily",
    "kubernetesNetworkConfig.serviceIpv4Cidr",
    "outpostConfig",
  ]),
  outputs: clusterOutputs,
  unknownOnUpdate: ["platformVersion"],
};

const nodeGroup: Rule = {
  id: (inputs) => `${text(inputs, "clusterName")}:${text(inputs, "nodeGroupName")}`,
  autoname: "nodeGroupName",
  ...regional([
    ...["clusterName", "nodeGroupName", "nodeGroupNamePrefix", "nodeRoleArn", "subnetIds", "instanceTypes", "amiType", "capacityType"],
    ...["diskSize", "remoteAccess", "launchTemplate.id", "launchTemplate.name"],
  ]),
  outputs: ({ inputs, digits }) => ({
    arn: arn("eks", `nodegroup/${text(inputs, "clusterName")}/${text(inputs, "nodeGroupName")}/${digits}`),
    resources: [{ autoscalingGroups: [{ name: `eks-${text(inputs, "nodeGroupName")}-${digits}` }], remoteAccessSecurityGroupId: "" }],
    status: "ACTIVE",
  }),
};

const launchTemplate = digitsRule("lt", ["name", "namePrefix"], {
  autoname: "name",
  outputs: ({ id, before }) => ({
    arn: arn("ec2", `launch-template/${id}`),
    defaultVersion: 1,
    latestVersion: (numberAt(before, "latestVersion") ?? 0) + 1,
  }),
  unknownOnUpdate: ["latestVersion"],
});

const bucket = namedRule("bucket", ["objectLockEnabled"], ({ id, inputs }) => ({
  arn: `arn:aws:s3:::${id}`,
  bucketRegion: text(inputs, "region") || "eu-west-1",
  bucketRegionalDomainName: `${id}.s3.eu-west-1.amazonaws.com`,
}));
const partOfBucket: Rule = { part: true, id: (inputs) => text(inputs, "bucket"), ...regional(["bucket", "expectedBucketOwner"]) };

const role = namedRule("name", ["path"], ({ id, digits }) => ({
  arn: globalArn("iam", `role/${id}`),
  uniqueId: `AROA${digits.toUpperCase()}`,
}));

export const aws: Cloud = {
  name: "aws",
  nameSeparator: "-",
  keptInPreview: "all",
  deletesFirst: "sameName",
  rules: {
    "aws:ec2/vpc:Vpc": digitsRule("vpc", ["cidrBlock"], { outputs: withArn("ec2", "vpc") }),
    "aws:ec2/subnet:Subnet": digitsRule("subnet", ["vpcId", "cidrBlock", "availabilityZone"], { outputs: withArn("ec2", "subnet") }),
    "aws:ec2/internetGateway:InternetGateway": digitsRule("igw", []),
    "aws:ec2/egressOnlyInternetGateway:EgressOnlyInternetGateway": digitsRule("eigw", ["vpcId"]),
    "aws:ec2/natGateway:NatGateway": digitsRule("nat", ["allocationId", "subnetId", "connectivityType"]),
    "aws:ec2/eip:Eip": digitsRule("eipalloc", ["domain", "publicIpv4Pool"], { outputs: ({ id }) => ({ allocationId: id }) }),
    "aws:ec2/routeTable:RouteTable": digitsRule("rtb", ["vpcId"]),
    "aws:ec2/route:Route": digitsRule("r", ["routeTableId", "destinationCidrBlock"]),
    "aws:ec2/routeTableAssociation:RouteTableAssociation": digitsRule("rtbassoc", ["subnetId", "gatewayId"]),
    "aws:ec2/securityGroup:SecurityGroup": digitsRule("sg", ["name", "namePrefix", "vpcId", "description"], {
      autoname: "name",
      outputs: withArn("ec2", "security-group"),
    }),
    "aws:ec2/vpcEndpoint:VpcEndpoint": digitsRule("vpce", ["vpcId", "serviceName", "vpcEndpointType"]),
    "aws:vpc/securityGroupIngressRule:SecurityGroupIngressRule": digitsRule("sgr", ["securityGroupId"]),
    "aws:vpc/securityGroupEgressRule:SecurityGroupEgressRule": digitsRule("sgr", ["securityGroupId"]),
    "aws:ec2/launchTemplate:LaunchTemplate": launchTemplate,
    "aws:eks/cluster:Cluster": cluster,
    "aws:eks/nodeGroup:NodeGroup": nodeGroup,
    "aws:eks/addon:Addon": partRule("clusterName", "addonName"),
    "aws:eks/accessEntry:AccessEntry": partRule("clusterName", "principalArn"),
    "aws:eks/accessPolicyAssociation:AccessPolicyAssociation": partRule("clusterName", "principalArn", "policyArn"),
    "aws:eks/podIdentityAssociation:PodIdentityAssociation": {
      ...partRule("clusterName", "namespace", "serviceAccount"),
      outputs: ({ digits }) => ({ associationId: `a-${digits}` }),
    },
    "aws:iam/role:Role": role,
    "aws:iam/rolePolicy:RolePolicy": {
      id: (inputs) => `${text(inputs, "role")}:${text(inputs, "name")}`,
      autoname: "name",
      replacedBy: ["name", "namePrefix", "role"],
    },
    "aws:iam/rolePolicyAttachment:RolePolicyAttachment": partRule("role", "policyArn"),
    "aws:iam/policy:Policy": {
      id: (inputs) => globalArn("iam", `policy/${text(inputs, "name")}`),
      autoname: "name",
      replacedBy: ["name", "namePrefix", "path", "description"],
      outputs: ({ id }) => ({ arn: id }),
    },
    "aws:iam/openIdConnectProvider:OpenIdConnectProvider": {
      id: (inputs) => globalArn("iam", `oidc-provider/${text(inputs, "url").replace("https://", "")}`),
      replacedBy: ["url"],
      outputs: ({ id }) => ({ arn: id }),
    },
    "aws:s3/bucket:Bucket": bucket,
    "aws:s3/bucketVersioning:BucketVersioning": partOfBucket,
    "aws:s3/bucketServerSideEncryptionConfiguration:BucketServerSideEncryptionConfiguration": partOfBucket,
    "aws:s3/bucketPublicAccessBlock:BucketPublicAccessBlock": partOfBucket,
    "aws:s3/bucketOwnershipControls:BucketOwnershipControls": partOfBucket,
    "aws:s3/bucketLifecycleConfiguration:BucketLifecycleConfiguration": partOfBucket,
    "aws:s3/bucketObjectLockConfiguration:BucketObjectLockConfiguration": partOfBucket,
    "aws:s3/bucketPolicy:BucketPolicy": partOfBucket,
    "aws:kms/key:Key": digitsRule("key", ["customerMasterKeySpec", "keyUsage", "multiRegion"], {
      outputs: ({ id }) => ({ arn: arn("kms", `key/${id}`), keyId: id }),
    }),
    "aws:kms/alias:Alias": namedRule("name", []),
  },
  functions: {
    "aws:eks/getCluster:getCluster": (args, world) => {
      const name = text(args, "name");
      const { certificateAuthority, ...outputs } = world.need("aws:eks/cluster:Cluster", name).outputs;
      return { ...outputs, certificateAuthorities: [certificateAuthority ?? null], id: name };
    },
  },
};
