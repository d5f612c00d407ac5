/** The stages that tell KWOK how its nodes, pods and volumes live, from the same version as the binary. */
import { copyFileSync } from "node:fs";
import { basename, join } from "node:path";
import { cacheEntry } from "./cache";
import { download, downloadsOff } from "./download";
import { messageOf } from "./files";
import { goModuleFolder } from "./go-module";
import { projectRoot } from "./paths";
import { pins } from "./pins";

// Nodes renew their leases; pods become Ready, Jobs complete, deletions finish; claims of the default storage class are bound.
const stages = [
  "node/heartbeat-with-lease/node-heartbeat-with-lease.yaml",
  "pod/fast/pod-ready.yaml",
  "pod/fast/pod-complete.yaml",
  "pod/fast/pod-delete.yaml",
  "volume/fast/pv-bind.yaml",
  "volume/fast/pv-delete.yaml",
  "volume/fast/pvc-provision.yaml",
  "volume/fast/pvc-delete.yaml",
];
/** Ours, in the place of KWOK's own: it takes the capacity of a node from the annotations that `providers/local` writes. */
const nodeStage = join(projectRoot, "tools", "kwok", "node-initialize.yaml");
const storageClass = "volume/fast/storage-class.yaml";

/** Files for KWOK and for the API server. */
export interface KwokFiles {
  /** Given to KWOK, one `--config` each. */
  stages: string[];
  /** The default StorageClass, whose claims the volume stages bind. */
  storageClass: string;
}

/** The stage files, from the cache, else from the Go module, else from the tag of the project's repository. */
export async function kwokFiles(): Promise<KwokFiles> {
  const version = pins.kwok.version;
  const all = [...stages, storageClass];
  const { dir } = await cacheEntry(`kwok-stages-${version}-2`, async (folder) => {
    const files = all.map((file) => basename(file));
    try {
      const source = await goModuleFolder(`sigs.k8s.io/kwok@v${version}`, pins.kwok.go.folder);
      for (const file of all) copyFileSync(join(source, "kustomize", "stage", file), join(folder, basename(file)));
      return { origin: "built", files };
    } catch (error) {
      if (downloadsOff() !== undefined)
        throw new Error(`the stages of kwok ${version} cannot be had: ${messageOf(error)}; downloads: ${downloadsOff()}`);
      for (const file of all) {
        await download(
          `https://raw.githubusercontent.com/kubernetes-sigs/kwok/v${version}/kustomize/stage/${file}`,
          join(folder, basename(file)),
        );
      }
      return { origin: "download", files };
    }
  });
  return { stages: [nodeStage, ...stages.map((file) => join(dir, basename(file)))], storageClass: join(dir, basename(storageClass)) };
}
