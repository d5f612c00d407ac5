import type { PolicyResource, StackValidationPolicy } from "@pulumi/policy";
import { valueAt } from "../objects";

/**
 * Data on the nodes is gone with the nodes, unless it is snapshotted to somewhere else.
 *
 * A LocalDbDaemonSet keeps its data on its nodes whatever its storage is (memory, node disk or local volume), because a DaemonSet has no lasting
 * claims. A backing store is no snapshot: it holds the newest state only, and a mistake is in it a minute later.
 */
export const snapshotSchedulePresent: StackValidationPolicy = {
  name: "snapshot-schedule-present",
  displayName: "Snapshots are scheduled",
  description: "A stack with a LocalDbDaemonSet, whose data is in memory or on node disks, has a SnapshotGroup with a schedule.",
  severity: "critical",
  tags: ["compute-mesh", "data-loss"],
  remediationSteps: 'Add a SnapshotGroup with a store outside the nodes and a schedule, for example schedule: "0 * * * *" for every hour.',
  validateStack: (args, reportViolation) => {
    if (args.resources.some((resource) => resource.type === "compute-mesh:index:SnapshotGroup" && hasSchedule(resource))) {
      return;
    }
    for (const database of args.resources.filter((resource) => resource.type === "compute-mesh:index:LocalDbDaemonSet")) {
      const message = `${database.name} keeps its data in memory or on node disks, and no SnapshotGroup of this stack has a schedule.`;
      // With the URN, always: CLI 3.246 to 3.251 panics in `policy analyze` without one (pulumi issue 23692).
      reportViolation(message, database.urn);
    }
  },
};

/** Stack policies see what a component registered as its outputs, never its args, so the schedule is found in the group's facts. */
function hasSchedule(group: PolicyResource): boolean {
  const schedule = valueAt(group.props, "facts", "schedule");
  return typeof schedule === "string" && schedule.trim() !== "";
}
