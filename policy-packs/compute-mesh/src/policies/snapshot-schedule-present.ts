import type { PolicyResource, StackValidationPolicy } from "@pulumi/policy";
import { objectsOf, valueAt } from "../objects";
import { podSpecOf } from "../pods";

/** Volumes that outlive the node they are mounted on. */
const durableVolumes = ["persistentVolumeClaim", "nfs", "csi", "awsElasticBlockStore", "azureDisk", "azureFile", "gcePersistentDisk"];

/** Data in memory or on a node's disk is gone with the node, unless it is snapshotted to somewhere else. */
export const snapshotSchedulePresent: StackValidationPolicy = {
  name: "snapshot-schedule-present",
  displayName: "Snapshots are scheduled",
  description: "A stack with a LocalDbDaemonSet that keeps its data in memory or on node disks has a SnapshotGroup with a schedule.",
  severity: "critical",
  tags: ["compute-mesh", "data-loss"],
  remediationSteps: 'Add a SnapshotGroup with a schedule and a store outside the nodes, for example schedule: "0 * * * *".',
  validateStack: (args, reportViolation) => {
    const scheduled = args.resources.some((resource) => resource.type === "compute-mesh:index:SnapshotGroup" && hasSchedule(resource));
    const databases = args.resources.filter((resource) => resource.type === "compute-mesh:index:LocalDbDaemonSet");
    for (const database of scheduled ? [] : databases) {
      if (!isDurable(database, args.resources)) {
        const message = `${database.name} keeps its data in memory or on node disks, and no SnapshotGroup of this stack has a schedule.`;
        // With the URN, always: CLI 3.246 to 3.251 panics in `policy analyze` without one (pulumi issue 23692).
        reportViolation(message, database.urn);
      }
    }
  },
};

/** Stack policies see the outputs of a component (pulumi, pkg/resource/deploy: AnalyzeStack), so the schedule is in its facts. */
function hasSchedule(group: PolicyResource): boolean {
  return [valueAt(group.props, "schedule"), valueAt(group.props, "facts", "schedule")].some(
    (schedule) => typeof schedule === "string" && schedule.trim() !== "",
  );
}

/** Whether the pods of a database mount a volume that outlives their node. Its args are not to be seen here, so its workloads tell. */
function isDurable(database: PolicyResource, resources: readonly PolicyResource[]): boolean {
  return resources
    .filter((resource) => resource.parent?.urn === database.urn)
    .flatMap((child) => objectsOf(podSpecOf(child.type, child.props)?.["volumes"]))
    .some((volume) => durableVolumes.some((kind) => volume[kind] !== undefined && volume[kind] !== null));
}
