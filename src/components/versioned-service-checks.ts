/** What may be in the args of a VersionedService. */
import { databaseVariableNames } from "../ingest/database";
import {
  checkBoolean,
  checkComponentName,
  checkDnsLabel,
  checkInteger,
  checkKnownKeys,
  checkList,
  checkObject,
  checkQuantity,
  checkUnique,
  exactlyOne,
  isObject,
} from "../model/checks";
import { joinPath, keyPath, type Problems } from "../model/errors";
import { pinnedImageProblem } from "../model/images";
import { nodesOfShardMap } from "../model/shard-map";
import type {
  DaemonSetPlacementArgs,
  ServiceVersionArgs,
  StatefulSetPlacementArgs,
  VersionedServiceArgs,
  VersionedServiceTransforms,
} from "./versioned-service";

const argsKeys = [
  "namespace",
  "serviceName",
  "nodes",
  "database",
  "snapshotGroup",
  "versions",
  "port",
  "readinessPath",
  "placement",
  "shardMap",
  "waitForSnapshot",
  "awaitReady",
  "agentImage",
  "nodeReaderImage",
  "answers",
  "cpu",
  "memory",
  "transforms",
] as const satisfies (keyof VersionedServiceArgs)[];
const versionKeys = ["image", "snapshots", "weight", "env", "command", "args"] as const satisfies (keyof ServiceVersionArgs)[];
const transformKeys: readonly (keyof VersionedServiceTransforms)[] = [
  ...(["daemonSet", "statefulSet", "service", "headlessService", "podService", "podDisruptionBudget"] as const),
  ...(["shards", "serviceAccount", "nodeReaderRole", "nodeReaderBinding", "gatherer", "gathererService", "gathererSettings"] as const),
  ...([
    "gathererDisruptionBudget",
    "gathererAccount",
    "gathererRole",
    "gathererBinding",
    "gathererNodeRole",
    "gathererNodeBinding",
  ] as const),
];

/** Variables that the component sets; a version cannot set them, or a pod could claim another snapshot than its own. */
const ownVariables: readonly string[] = [
  "MESH_SERVICE",
  "MESH_VERSION",
  "MESH_SNAPSHOT",
  "MESH_SHARD_COUNT",
  "NODE_NAME",
  ...databaseVariableNames,
];

/** Notes everything that is wrong in the args, except for what their names make together. */
export function checkVersionedService(problems: Problems, name: string, args: VersionedServiceArgs): void {
  checkComponentName(problems, name);
  checkKnownKeys(problems, "", args, argsKeys);
  checkKnownKeys(problems, "transforms", args.transforms ?? {}, transformKeys);
  if (args.namespace === undefined) {
    problems.add("namespace", undefined, "the namespace of all objects is needed");
  }
  if (args.serviceName !== undefined) {
    checkDnsLabel(problems, "serviceName", args.serviceName);
  }
  checkInteger(problems, "port", args.port, { min: 1, max: 65535 });
  if (args.cpu !== undefined) {
    checkQuantity(problems, "cpu", args.cpu);
  }
  if (args.memory !== undefined) {
    checkQuantity(problems, "memory", args.memory);
  }
  if (args.readinessPath !== undefined && !/^\/\S*$/.test(args.readinessPath)) {
    problems.add("readinessPath", args.readinessPath, "a path is allowed, starting with a slash");
  }
  checkImages(problems, args);
  checkNodes(problems, args);
  checkWaiting(problems, args);
  checkPlacement(problems, args);
  checkVersions(problems, args);
}

function checkImages(problems: Problems, args: VersionedServiceArgs): void {
  for (const key of ["agentImage", "nodeReaderImage"] as const) {
    const problem = args[key] === undefined ? undefined : pinnedImageProblem(args[key]);
    if (problem !== undefined) {
      problems.add(key, args[key], problem);
    }
  }
}

/** Whether the pods wait for their snapshot. */
export function waitsForSnapshot(args: VersionedServiceArgs): boolean {
  return args.waitForSnapshot ?? (args.database !== undefined && args.snapshotGroup?.tends === true);
}

function checkWaiting(problems: Problems, args: VersionedServiceArgs): void {
  for (const key of ["waitForSnapshot", "awaitReady"] as const) {
    if (args[key] !== undefined) {
      checkBoolean(problems, key, args[key]);
    }
  }
  if (waitsForSnapshot(args) !== true) {
    return;
  }
  const otherwise = "or else set waitForSnapshot to false";
  if (args.database === undefined) {
    problems.add("database", undefined, `the database that the pods wait for is needed, ${otherwise}`);
  }
  if (args.shardMap === undefined) {
    problems.add("shardMap", undefined, `the shard map is needed, because the pods wait for the shards of their node, ${otherwise}`);
  }
  if (args.snapshotGroup?.tends !== true) {
    const reason = "nobody would show its snapshots in the databases, and the pods would wait for ever";
    problems.add("snapshotGroup.tends", args.snapshotGroup?.tends, `${reason}: set tendsShards of the group, ${otherwise}`);
  }
}

function checkNodes(problems: Problems, args: VersionedServiceArgs): void {
  if (!checkList(problems, "nodes", args.nodes)) {
    return;
  }
  const names = args.nodes.map((node) => node.name);
  if (names.length === 0) {
    problems.add("nodes", args.nodes, "at least one mesh node is needed");
  }
  checkUnique(problems, "nodes", names, "name");
  const owners = args.shardMap === undefined ? [] : nodesOfShardMap(args.shardMap);
  const missing = owners.filter((owner) => !names.includes(owner));
  if (missing.length > 0) {
    const reason = "every owner in the shard map must be there, or its shards have no pod beside them";
    problems.add("nodes", names, `${reason}; missing: ${missing.join(", ")}`);
  }
}

function checkPlacement(problems: Problems, args: VersionedServiceArgs): void {
  const placement = args.placement ?? { daemonSet: {} };
  if (!isObject(placement)) {
    problems.add("placement", placement, "an object is allowed");
    return;
  }
  checkKnownKeys(problems, "placement", placement, ["daemonSet", "statefulSet"]);
  exactlyOne(problems, "placement", placement, ["daemonSet", "statefulSet"]);
  checkDaemonSet(problems, "placement.daemonSet", args.placement?.daemonSet ?? {});
  if (args.placement?.statefulSet !== undefined) {
    checkStatefulSet(problems, "placement.statefulSet", args, args.placement.statefulSet);
  }
}

function checkDaemonSet(problems: Problems, path: string, given: DaemonSetPlacementArgs): void {
  checkKnownKeys(problems, path, given, ["maxUnavailable"]);
  if (given.maxUnavailable !== undefined) {
    checkInteger(problems, joinPath(path, "maxUnavailable"), given.maxUnavailable, { min: 1 });
  }
}

function checkStatefulSet(problems: Problems, path: string, args: VersionedServiceArgs, given: StatefulSetPlacementArgs): void {
  checkKnownKeys(problems, path, given, ["replicas", "storage"]);
  checkReplicas(problems, joinPath(path, "replicas"), args, given.replicas);
  if (given.storage !== undefined) {
    checkKnownKeys(problems, joinPath(path, "storage"), given.storage, ["size", "storageClassName"]);
    checkQuantity(problems, joinPath(path, "storage.size"), given.storage.size);
  }
}

function checkReplicas(problems: Problems, path: string, args: VersionedServiceArgs, replicas: number): void {
  const nodeCount = args.nodes?.length ?? 0;
  if (!checkInteger(problems, path, replicas, { min: 1 })) {
    return;
  }
  // Every shard lies on as many different nodes as it has replicas, so one of them has a pod as long as fewer nodes than that have none.
  const needed = args.shardMap === undefined ? 1 : nodeCount - args.shardMap.replicas + 1;
  if (replicas > nodeCount) {
    problems.add(path, replicas, `at most ${nodeCount}, one per mesh node: a pod beyond that would never be scheduled`);
  } else if (replicas < needed) {
    problems.add(path, replicas, `at least ${needed} of ${nodeCount} mesh nodes need a pod, or a shard may have none beside it`);
  }
}

function checkVersions(problems: Problems, args: VersionedServiceArgs): void {
  const versions = Object.entries(args.versions ?? {});
  if (versions.length === 0) {
    problems.add("versions", args.versions, "at least one version is needed");
  }
  for (const [version, given] of versions) {
    const path = keyPath("versions", version);
    checkDnsLabel(problems, path, version);
    if (!checkObject(problems, path, given)) {
      continue;
    }
    checkKnownKeys(problems, path, given, versionKeys);
    const imageProblem = pinnedImageProblem(given.image);
    if (imageProblem !== undefined) {
      problems.add(joinPath(path, "image"), given.image, imageProblem);
    }
    if (given.weight !== undefined) {
      checkInteger(problems, joinPath(path, "weight"), given.weight, { min: 0 });
    }
    checkSnapshots(problems, joinPath(path, "snapshots"), given.snapshots, args.snapshotGroup);
    checkVariables(problems, joinPath(path, "env"), given.env ?? {});
  }
}

function checkSnapshots(problems: Problems, path: string, snapshots: string[], group: VersionedServiceArgs["snapshotGroup"]): void {
  if (!checkList(problems, path, snapshots)) {
    return;
  }
  const known = group?.snapshots ?? [];
  const kept = known.length === 0 ? "which keeps none yet: name it there first" : `which keeps ${known.join(", ")}`;
  const allowed = `a snapshot of group ${JSON.stringify(group?.name)} is allowed, ${kept}`;
  if (snapshots.length === 0) {
    problems.add(path, snapshots, `at least one snapshot is needed: ${allowed}`);
  }
  checkUnique(problems, path, snapshots);
  new Set(snapshots).forEach((snapshot) => {
    if (!known.includes(snapshot)) {
      problems.add(joinPath(path, snapshots.indexOf(snapshot)), snapshot, allowed);
    }
  });
}

function checkVariables(problems: Problems, path: string, env: Record<string, unknown>): void {
  for (const variable of Object.keys(env)) {
    if (ownVariables.includes(variable)) {
      problems.add(keyPath(path, variable), variable, "another name is allowed: the component sets this one");
    } else if (!/^[-._a-zA-Z][-._a-zA-Z0-9]*$/.test(variable)) {
      problems.add(keyPath(path, variable), variable, "letters, digits, - _ and . are allowed, not starting with a digit");
    }
  }
}
