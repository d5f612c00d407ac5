/**
 * Stores of snapshots: what each kind needs, and what is wrong with one.
 *
 * Values may come from other resources and be unknown before deployment; those are objects here, not text, and pass.
 */
import { checkKnownKeys, checkObject, exactlyOne } from "./checks";
import { joinPath, type Problems } from "./errors";

/** The kinds of stores, which are the members of `store`. */
export const storeKinds = ["s3", "gcs", "azureBlob", "nfs", "nodeDirectory"] as const;
export type StoreKind = (typeof storeKinds)[number];

interface FieldRule {
  required?: true;
  /** Whether a known text fits. */
  fits: (text: string) => boolean;
  allowed: string;
}

const prefix: FieldRule = {
  fits: (text) => /^[\w.=-]+(\/[\w.=-]+)*$/.test(text) && !hasDots(text),
  allowed: "a path such as meshes/quotes is allowed: letters, digits, dots, underscores and hyphens between slashes, none at the ends",
};

const fields: Record<StoreKind, Record<string, FieldRule>> = {
  s3: {
    // https://docs.aws.amazon.com/AmazonS3/latest/userguide/bucketnamingrules.html
    bucket: {
      required: true,
      fits: (text) => /^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$/.test(text) && !text.includes(".."),
      allowed: "the name of a bucket is needed: 3 to 63 lower-case letters, digits, dots and hyphens",
    },
    region: { fits: (text) => /^[a-z0-9-]+$/.test(text), allowed: "a region such as eu-central-1 is allowed" },
    endpoint: { fits: isHttpUrl, allowed: 'a URL is allowed, for example "https://minio.storage.svc:9000"' },
    prefix,
  },
  gcs: {
    // https://cloud.google.com/storage/docs/buckets#naming
    bucket: {
      required: true,
      fits: (text) => /^[a-z0-9][a-z0-9._-]{1,220}[a-z0-9]$/.test(text),
      allowed: "the name of a bucket is needed: at least 3 lower-case letters, digits, dots, underscores and hyphens",
    },
    prefix,
  },
  azureBlob: {
    // https://learn.microsoft.com/azure/azure-resource-manager/management/resource-name-rules#microsoftstorage
    account: {
      required: true,
      fits: (text) => /^[a-z0-9]{3,24}$/.test(text),
      allowed: "the name of a storage account is needed: 3 to 24 lower-case letters and digits",
    },
    container: {
      required: true,
      fits: (text) => /^[a-z0-9](-?[a-z0-9])*$/.test(text) && text.length >= 3 && text.length <= 63,
      allowed: "the name of a container is needed: 3 to 63 lower-case letters, digits and single hyphens",
    },
    prefix,
  },
  nfs: {
    server: { required: true, fits: (text) => /^[^\s/]+$/.test(text), allowed: "the host name or address of the NFS server is needed" },
    path: { required: true, fits: isAbsolutePath, allowed: "the exported path is needed, absolute and without .." },
  },
  nodeDirectory: {
    hostPath: {
      required: true,
      fits: (text) => isAbsolutePath(text) && !systemFolders.includes(text.replace(/\/+$/, "")),
      allowed: "an absolute path without .. is needed, and none of the folders of the system",
    },
  },
};

/** Mounting one of these writable would let the pod change the node itself. */
const systemFolders = [
  "",
  "/bin",
  "/boot",
  "/dev",
  "/etc",
  "/home",
  "/lib",
  "/proc",
  "/root",
  "/run",
  "/sbin",
  "/sys",
  "/usr",
  "/var",
  "/var/lib",
  "/var/lib/kubelet",
];

/** Notes what is wrong in a store; returns its kind where exactly one is given. `extraKeys` are members that the caller checks itself. */
export function checkSnapshotStore(
  problems: Problems,
  path: string,
  store: unknown,
  extraKeys: Partial<Record<StoreKind, readonly string[]>> = {},
): StoreKind | undefined {
  if (!checkObject(problems, path, store)) {
    return undefined;
  }
  checkKnownKeys(problems, path, store, storeKinds);
  const kind = exactlyOne(problems, path, store, storeKinds) as StoreKind | undefined;
  const kindPath = joinPath(path, kind ?? "");
  const given = kind === undefined ? undefined : store[kind];
  if (kind === undefined || !checkObject(problems, kindPath, given)) {
    return kind;
  }
  checkKnownKeys(problems, kindPath, given, [...Object.keys(fields[kind]), ...(extraKeys[kind] ?? [])]);
  for (const [field, rule] of Object.entries(fields[kind])) {
    checkField(problems, joinPath(kindPath, field), given[field], rule);
  }
  return kind;
}

/**
 * The least strict Pod Security Standard that the pods of a store need: inline NFS volumes are not in `restricted`, host folders not in `baseline`.
 * https://kubernetes.io/docs/concepts/security/pod-security-standards/
 */
export function podSecurityOfStore(kind: StoreKind): "restricted" | "baseline" | "privileged" {
  return kind === "nodeDirectory" ? "privileged" : kind === "nfs" ? "baseline" : "restricted";
}

/** Whether snapshots survive the loss of a mesh node. */
export function survivesNodeLoss(kind: StoreKind): boolean {
  return kind !== "nodeDirectory";
}

function checkField(problems: Problems, path: string, value: unknown, rule: FieldRule): void {
  if (value === undefined || value === null) {
    if (rule.required) {
      problems.add(path, undefined, rule.allowed);
    }
  } else if (typeof value === "string" ? !rule.fits(value) : typeof value !== "object") {
    problems.add(path, value, rule.allowed);
  }
}

function isAbsolutePath(text: string): boolean {
  return text.startsWith("/") && !/\s/.test(text) && !hasDots(text);
}

function hasDots(path: string): boolean {
  return path.split("/").some((part) => part === ".." || part === ".");
}

function isHttpUrl(text: string): boolean {
  return /^https?:\/\/[^\s/?#@]+(\/[^\s?#]*)?$/.test(text);
}
