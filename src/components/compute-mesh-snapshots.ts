/** The snapshot groups of a ComputeMesh, and the stores that its cloud makes for them. */
import type * as pulumi from "@pulumi/pulumi";
import type { CloudStore, NodeProvider, SnapshotStoreHandle, SnapshotStoreRequest } from "../../providers/provider";
import type { DataProtection } from "../kubernetes/children";
import { checkKnownKeys, checkObject, isObject } from "../model/checks";
import { joinPath, keyPath, type Problems } from "../model/errors";
import type { SnapshotGroupFacts } from "../model/facts";
import { sortedEntries } from "../model/names";
import type { ComputeMeshArgs } from "./compute-mesh";
import { attempt, below, checkDecided, unknownGroup } from "./compute-mesh-checks";
import type { SnapshotGroupArgs } from "./snapshot-group";
import type { SnapshotStoreArgs } from "./snapshot-group-stores";
import { normalizeSnapshotGroup } from "./snapshot-group-plan";

/** A store that the node provider makes, with an identity for the snapshot group in place of any key. */
export interface CloudSnapshotStoreArgs {
  /**
   * Days for which what was removed or overwritten can still be brought back; then the store deletes it for good. Which snapshots stay is decided by `keep`
   * alone. Default: 7.
   */
  recoveryDays?: number;
  /** Days for which nobody, the owner included, can remove an object; it cannot be undone. Default: no lock. */
  objectLockDays?: number;
  /** Another region than that of the nodes, so that snapshots survive the loss of theirs. Default: the region of the nodes. */
  region?: string;
  /** Key that encrypts the objects, in the cloud's own words. Default: the cloud's own key; objects are encrypted in any case. */
  encryptionKey?: string;
  /** Default: the provider's, which protects. */
  dataProtection?: DataProtection;
}

/** `store` of a SnapshotGroup, or one that the node provider makes; exactly one member. */
export interface MeshSnapshotStoreArgs extends SnapshotStoreArgs {
  /** Made by the node provider beside the nodes, or in another region. */
  cloud?: CloudSnapshotStoreArgs;
}

/** One snapshot store as it will be made. */
export interface PlannedStore {
  /** Key of its snapshot group. */
  key: string;
  name: string;
  request: SnapshotStoreRequest;
}

/** What the mesh itself knows of its data. */
export type DataLinks = Pick<SnapshotGroupArgs, "namespace" | "nodes" | "shardMap" | "topics" | "kafka" | "database">;
type GroupLinks = DataLinks & Pick<SnapshotGroupArgs, "deadLetterTopic">;

/** One snapshot group as it will be made; `key` is its name in the mesh. */
export interface PlannedGroup {
  key: string;
  name: string;
  args: SnapshotGroupArgs;
  facts: SnapshotGroupFacts;
}

const storeKeys = ["recoveryDays", "objectLockDays", "region", "encryptionKey", "dataProtection"];

/**
 * Plans and checks every group.
 *
 * @param tending key of the group that keeps the databases
 * @param stores takes the stores that the provider makes
 */
export function planSnapshotGroups(
  problems: Problems,
  name: string,
  args: ComputeMeshArgs,
  links: GroupLinks,
  tending: string | undefined,
  stores: PlannedStore[],
): PlannedGroup[] {
  return sortedEntries(args.snapshots ?? {}).map(([key, own]) => {
    const path = keyPath("snapshots", key);
    const tends = key === tending ? { tendsShards: true } : {};
    const groupName = `${name}-snapshots-${key}`;
    const cloud = planCloudStore(
      problems,
      { key, name: groupName, mesh: name, namespace: args.namespace ?? name },
      own.store,
      args.nodeProvider,
    );
    const store = cloud === undefined ? {} : { store: cloud.standIn };
    stores.push(...(cloud === undefined ? [] : [cloud.planned]));
    const part = { key, name: groupName, args: { ...own, ...store, ...tends, ...links } };
    checkDecided(problems, path, own, { ...links, deadLetterTopic: undefined });
    const place = (own: string): string => (own === "deadLetterTopic" ? "ingest.deadLetterTopic" : below(path, ["topics", "kafka"])(own));
    const facts = attempt(problems, () => normalizeSnapshotGroup(part.name, part.args).facts, place);
    return { ...part, facts: facts ?? unknownGroup(part.name, own, undefined) };
  });
}

/** The store of one snapshot group, and what stands for it until it is made; undefined where the group names its store itself. */
function planCloudStore(
  problems: Problems,
  group: { key: string; name: string; mesh: string; namespace: string },
  store: unknown,
  provider: NodeProvider,
): { planned: PlannedStore; standIn: SnapshotStoreArgs } | undefined {
  if (!isObject(store) || store["cloud"] === undefined) {
    return undefined;
  }
  const path = joinPath(keyPath("snapshots", group.key), "store");
  const others = Object.keys(store).filter((key) => key !== "cloud" && store[key] !== undefined);
  if (others.length > 0) {
    problems.add(path, ["cloud", ...others].join(" and "), "exactly one store is allowed");
  }
  const cloudPath = joinPath(path, "cloud");
  const given: unknown = store["cloud"];
  const request: SnapshotStoreRequest = {
    ...(isObject(given) ? (given as CloudSnapshotStoreArgs) : {}),
    storeName: group.key,
    mesh: group.mesh,
    namespace: group.namespace,
    serviceAccountName: group.name,
  };
  if (provider.createSnapshotStore === undefined || provider.snapshotStoreKind === undefined) {
    problems.add(cloudPath, provider.name, "the node provider makes no snapshot stores; name one, for example store.s3 or store.nfs");
  } else if (checkObject(problems, cloudPath, given)) {
    checkKnownKeys(problems, cloudPath, given, storeKeys);
    const found = (provider.checkSnapshotStore?.(request) ?? []).filter((one) => storeKeys.includes(/^[^.[]*/.exec(one.path)?.[0] ?? ""));
    problems.addAll(cloudPath, found);
  }
  return { planned: { key: group.key, name: `${group.name}-store`, request }, standIn: standIns[provider.snapshotStoreKind ?? "s3"] };
}

/** Names that pass every check of a store; the made ones take their place. */
const standIns: Readonly<Record<keyof CloudStore, SnapshotStoreArgs>> = {
  s3: { s3: { bucket: "made-by-the-cloud" } },
  gcs: { gcs: { bucket: "made-by-the-cloud" } },
  azureBlob: { azureBlob: { account: "madebythecloud", container: "made-by-the-cloud" } },
};

/** What is made in place of `store.cloud`. */
export function withCloudStore<Args extends Pick<SnapshotGroupArgs, "store" | "serviceAccountAnnotations">>(
  args: Args,
  made: { store: CloudStore; serviceAccountAnnotations: SnapshotGroupArgs["serviceAccountAnnotations"] } | undefined,
): Args {
  if (made === undefined) {
    return args;
  }
  const serviceAccountAnnotations = { ...made.serviceAccountAnnotations, ...args.serviceAccountAnnotations };
  return { ...args, store: made.store, ...(Object.keys(serviceAccountAnnotations).length === 0 ? {} : { serviceAccountAnnotations }) };
}

/** Makes the stores, by the keys of their groups. They get the cloud's own Pulumi provider from the mesh. */
export function createStores(
  parent: pulumi.Resource,
  provider: NodeProvider,
  stores: readonly PlannedStore[],
): Map<string, SnapshotStoreHandle> {
  return new Map(
    stores.flatMap(({ key, name, request }) => {
      const store = provider.createSnapshotStore?.(name, request, { parent });
      return store === undefined ? [] : [[key, store] as const];
    }),
  );
}
