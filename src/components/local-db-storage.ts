/** Where a local database's data is, and where copies of it are: from args to plain values. */
import type { BackingRequest, EnginePlan } from "../engines";
import { checkDnsLabel, checkInteger, checkKnownKeys, checkObject, checkQuantity, exactlyOne } from "../model/checks";
import type { Problems } from "../model/errors";
import { formatBytes } from "../model/quantity";
import { checkFolder, checkText } from "./local-db-checks";
import type { BackingStoreArgs, LocalDbStorageArgs } from "./local-db-daemon-set";

/** PostgreSQL's first files and WAL take 70 MiB. */
const leastTmpfsBytes = 128 * 1024 ** 2;

/** Where the data is; exactly one member. */
export interface StoragePlan {
  tmpfsBytes?: number;
  hostPath?: string;
  claim?: { storageClass: string; size: string };
}

/** What is mounted as backing store; exactly one of the first three. */
export interface BackingStorePlan extends BackingRequest {
  hostPath?: string;
  nfs?: { server: string; path: string };
  claim?: string;
}

/** Where the data is. */
export function planStorage(problems: Problems, args: LocalDbStorageArgs | undefined, memoryBytes: number | undefined): StoragePlan {
  const kinds = ["memory", "nodeDisk", "localVolume"];
  const storage = args ?? { memory: {} };
  if (!checkObject(problems, "storage", storage)) {
    return {};
  }
  checkKnownKeys(problems, "storage", storage, kinds);
  const kind = exactlyOne(problems, "storage", storage, kinds);
  const path = `storage.${kind ?? ""}`;
  if (kind === undefined || !checkObject(problems, path, storage[kind])) {
    return {};
  }
  const { memory, nodeDisk, localVolume } = storage as LocalDbStorageArgs;
  if (nodeDisk !== undefined) {
    checkKnownKeys(problems, path, nodeDisk, ["hostPath"]);
    return checkFolder(problems, "storage.nodeDisk.hostPath", nodeDisk.hostPath) ? { hostPath: nodeDisk.hostPath } : {};
  }
  if (localVolume !== undefined) {
    checkKnownKeys(problems, path, localVolume, ["storageClass", "size"]);
    checkText(problems, "storage.localVolume.storageClass", localVolume.storageClass, "the name of a storage class is needed");
    checkQuantity(problems, "storage.localVolume.size", localVolume.size);
    return { claim: { storageClass: localVolume.storageClass, size: localVolume.size } };
  }
  checkKnownKeys(problems, path, memory ?? {}, ["size"]);
  return planTmpfs(problems, memory?.size, memoryBytes);
}

/** The tmpfs counts against the memory limit: the kernel kills the database, not the file that grew. */
function planTmpfs(problems: Problems, size: string | undefined, memoryBytes: number | undefined): StoragePlan {
  const tmpfsBytes = size === undefined ? Math.floor((memoryBytes ?? 2 ** 31) / 2) : checkQuantity(problems, "storage.memory.size", size);
  if (tmpfsBytes === undefined) {
    return { tmpfsBytes: leastTmpfsBytes };
  }
  const path = size === undefined ? "memory" : "storage.memory.size";
  const given = size ?? `half of the limit, ${formatBytes(tmpfsBytes)}`;
  if (tmpfsBytes < leastTmpfsBytes) {
    problems.add(path, given, `the tmpfs needs at least ${formatBytes(leastTmpfsBytes)} for an empty database`);
  }
  if (memoryBytes !== undefined && size !== undefined && tmpfsBytes >= memoryBytes) {
    problems.add(path, given, `the tmpfs counts against the memory limit of ${formatBytes(memoryBytes)} (memory) and must be smaller`);
  }
  return { tmpfsBytes };
}

/** Where copies of the data are, if anywhere. */
export function planBacking(problems: Problems, args: BackingStoreArgs | undefined): BackingStorePlan | undefined {
  if (args === undefined || !checkObject(problems, "backingStore", args)) {
    return undefined;
  }
  const kinds = ["hostPath", "nfs", "claim"];
  checkKnownKeys(problems, "backingStore", args, [...kinds, "baseIntervalHours", "archiveTimeoutSeconds"]);
  exactlyOne(problems, "backingStore", args, kinds);
  const { hostPath, nfs, claim, baseIntervalHours = 6, archiveTimeoutSeconds = 60 } = args as BackingStoreArgs;
  if (hostPath !== undefined) {
    checkFolder(problems, "backingStore.hostPath", hostPath);
  }
  if (nfs !== undefined && checkObject(problems, "backingStore.nfs", nfs)) {
    checkKnownKeys(problems, "backingStore.nfs", nfs, ["server", "path"]);
    checkText(problems, "backingStore.nfs.server", nfs.server, "the name or address of the NFS server is needed");
    checkFolder(problems, "backingStore.nfs.path", nfs.path);
  }
  if (claim !== undefined) {
    checkDnsLabel(problems, "backingStore.claim", claim);
  }
  checkInteger(problems, "backingStore.baseIntervalHours", baseIntervalHours, { min: 1, max: 168 });
  checkInteger(problems, "backingStore.archiveTimeoutSeconds", archiveTimeoutSeconds, { min: 10, max: 3600 });
  return {
    ...(hostPath === undefined ? {} : { hostPath }),
    ...(nfs === undefined ? {} : { nfs }),
    ...(claim === undefined ? {} : { claim }),
    baseIntervalHours,
    archiveTimeoutSeconds,
  };
}

/** Some engines need more for an empty database than others. */
export function checkTmpfs(
  problems: Problems,
  size: string | undefined,
  bytes: number | undefined,
  engine: string,
  plan: EnginePlan,
): void {
  const least = plan.leastTmpfsBytes;
  if (least !== undefined && bytes !== undefined && bytes >= leastTmpfsBytes && bytes < least) {
    const given = size ?? `half of the limit, ${formatBytes(bytes)}`;
    const path = size === undefined ? "memory" : "storage.memory.size";
    problems.add(path, given, `the tmpfs needs at least ${formatBytes(least)} for an empty database of ${engine}`);
  }
}
