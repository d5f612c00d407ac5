/** The plain part of a VersionedService: checks of its args, names, labels and the placement of its pods. */
import { type NodeIdentityPlan, planNodeIdentity } from "../kubernetes/node-identity-plan";
import { nodePlacement, type Toleration } from "../kubernetes/pods";
import { describeLabels, selectorLabels, serviceLabel, snapshotLabel, versionLabel } from "../kubernetes/labels";
import { joinPath, keyPath, Problems } from "../model/errors";
import type { VersionedServiceFacts } from "../model/facts";
import { dnsName, dnsNameWithin, sortedEntries } from "../model/names";
import { defaultAgentImage } from "./agent-image";
import { type AnswersPlan, planAnswers } from "./versioned-service-answers";
import { checkVersionedService, waitsForSnapshot } from "./versioned-service-checks";
import type { ServiceVersionArgs, StatefulSetPlacementArgs, VersionedServiceArgs } from "./versioned-service";

/** One (version, snapshot) with all its names. */
export interface ServicePair {
  version: string;
  snapshot: string;
  args: ServiceVersionArgs;
  /** Name of the workload, the Service and the PodDisruptionBudget in Kubernetes. */
  objectName: string;
  /** Name of the same three in Pulumi, and the start of the others'. */
  childName: string;
  /** Frozen: a changed selector replaces the workload. */
  selector: Record<string, string>;
  labels: Record<string, string>;
  /** Name of the headless Service, for a StatefulSet. */
  headlessName?: string;
  /** Names of the pods and of their Services by ordinal, for a StatefulSet. */
  podServiceNames: string[];
  /** Its gatherer, where the service has answers. */
  gatherer?: GathererNames;
}

/** Names of the gatherer of one (version, snapshot). */
export interface GathererNames {
  /** Name of the Deployment, the Service and the PodDisruptionBudget in Kubernetes. */
  objectName: string;
  /** Name of the same three in Pulumi. */
  childName: string;
  settingsName: string;
  /** Frozen, and another one than that of the pods. */
  selector: Record<string, string>;
  labels: Record<string, string>;
}

/** All that is plain about a VersionedService. */
export interface VersionedServicePlan {
  /** Name of the component. */
  name: string;
  port: number;
  readinessPath: string;
  cpu: string;
  memory: string;
  nodeCount: number;
  nodeSelector: Record<string, string>;
  tolerations: Toleration[];
  /** Pods of a DaemonSet that may be missing at once while an update rolls. */
  maxUnavailable: number;
  /** `undefined` for one pod per node. */
  statefulSet?: StatefulSetPlacementArgs;
  /** The shards of every node, where the shard map is known. */
  identity?: NodeIdentityPlan;
  /** Whether pods wait for their snapshot before they start. */
  waits: boolean;
  /** Whether an update waits for the pods. */
  awaitReady: boolean;
  agentImage: string;
  answers?: AnswersPlan;
  pairs: ServicePair[];
  facts: VersionedServiceFacts;
}

/**
 * Kubernetes labels the pods of a StatefulSet with `<name>-<hash of 10>`, so a longer name makes a set without pods
 * (kubernetes/kubernetes issue 64023).
 */
const maxStatefulSetName = 52;

/** Part of frozen selectors and of names. */
export const gathererPart = "answer";

/**
 * Checks the args and names everything.
 *
 * @throws MeshInputError with every problem of the args
 */
export function normalizeVersionedService(name: string, args: VersionedServiceArgs): VersionedServicePlan {
  const problems = new Problems(`versionedService ${JSON.stringify(name)}`);
  checkVersionedService(problems, name, args);
  const answers = planAnswers(problems, args);
  // Names are made of what was just checked; with wrong parts, what is found about them would only repeat it.
  problems.throwIfAny();

  const statefulSet = args.placement?.statefulSet;
  const pairs = pairsOf(name, args, statefulSet);
  checkNames(problems, pairs);
  const identity = args.shardMap === undefined ? undefined : planNodeIdentity(problems, name, args.nodes, args.shardMap);
  problems.throwIfAny();
  const waits = waitsForSnapshot(args);
  return {
    name,
    port: args.port,
    readinessPath: args.readinessPath ?? "/healthz",
    cpu: args.cpu ?? "500m",
    memory: args.memory ?? "512Mi",
    nodeCount: args.nodes.length,
    ...nodePlacement(args.nodes),
    maxUnavailable: args.placement?.daemonSet?.maxUnavailable ?? 1,
    ...(statefulSet === undefined ? {} : { statefulSet }),
    ...(identity === undefined ? {} : { identity }),
    waits,
    awaitReady: args.awaitReady ?? !waits,
    agentImage: args.agentImage ?? defaultAgentImage,
    ...(answers === undefined ? {} : { answers }),
    pairs,
    facts: factsOf(name, args, pairs),
  };
}

function pairsOf(name: string, args: VersionedServiceArgs, statefulSet: StatefulSetPlacementArgs | undefined): ServicePair[] {
  const service = args.serviceName ?? name;
  const nameOf = (...parts: string[]): string =>
    statefulSet === undefined ? dnsName(...parts) : dnsNameWithin(maxStatefulSetName, ...parts);
  return sortedEntries(args.versions).flatMap(([version, given]) =>
    given.snapshots.map((snapshot): ServicePair => {
      const objectName = nameOf(service, version, snapshot);
      const selector = selectorLabels(name, dnsName(version, snapshot));
      const described = {
        ...describeLabels(name, service),
        [serviceLabel]: service,
        [versionLabel]: version,
        [snapshotLabel]: snapshot,
      };
      return {
        version,
        snapshot,
        args: given,
        objectName,
        childName: `${name}-${version}-${snapshot}`,
        selector,
        labels: { ...described, ...selector },
        ...(statefulSet === undefined ? {} : { headlessName: `${objectName}-pods` }),
        podServiceNames: Array.from({ length: statefulSet?.replicas ?? 0 }, (_, ordinal) => `${objectName}-${ordinal}`),
        ...(args.answers === undefined ? {} : { gatherer: gathererNames(name, [service, version, snapshot], described) }),
      };
    }),
  );
}

function gathererNames(
  name: string,
  [service, version, snapshot]: [string, string, string],
  labels: Record<string, string>,
): GathererNames {
  // The word comes last: a version could be called `answer-v1`, but no snapshot id ends so.
  const selector = selectorLabels(name, dnsName(version, snapshot, gathererPart));
  return {
    objectName: dnsName(service, version, snapshot, gathererPart),
    childName: `${name}-${version}-${snapshot}-${gathererPart}`,
    settingsName: dnsName(service, version, snapshot, gathererPart, "settings"),
    selector,
    labels: { ...labels, ...selector },
  };
}

/** Two objects of one name would overwrite each other: `a` + `b-c` and `a-b` + `c` are both `a-b-c`. */
function checkNames(problems: Problems, pairs: readonly ServicePair[]): void {
  const taken = new Map<string, ServicePair>();
  for (const pair of pairs) {
    const index = pair.args.snapshots.indexOf(pair.snapshot);
    const others = [pair.headlessName, pair.gatherer?.objectName].filter((other) => other !== undefined);
    for (const objectName of [pair.objectName, ...others, ...pair.podServiceNames]) {
      const other = taken.get(objectName);
      if (other !== undefined) {
        const path = joinPath(joinPath(keyPath("versions", pair.version), "snapshots"), index);
        const rival = `version ${JSON.stringify(other.version)} with snapshot ${JSON.stringify(other.snapshot)}`;
        problems.add(
          path,
          pair.snapshot,
          `another name of the version is needed: ${rival} makes an object ${JSON.stringify(objectName)}, too`,
        );
        break;
      }
      taken.set(objectName, pair);
    }
  }
}

function factsOf(name: string, args: VersionedServiceArgs, pairs: readonly ServicePair[]): VersionedServiceFacts {
  return {
    name: args.serviceName ?? name,
    weights: Object.fromEntries(Object.entries(args.versions).map(([version, given]) => [version, given.weight ?? 1])),
    endpoints: pairs.map((pair) => ({
      version: pair.version,
      snapshot: pair.snapshot,
      serviceName: pair.gatherer?.objectName ?? pair.objectName,
      ...(pair.gatherer === undefined ? {} : { directServiceName: pair.objectName }),
      port: args.port,
      podServiceNames: pair.podServiceNames,
    })),
  };
}
