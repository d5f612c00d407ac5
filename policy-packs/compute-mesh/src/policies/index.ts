import type { ResourceValidationPolicy, StackValidationPolicy } from "@pulumi/policy";
import { imagePinned } from "./image-pinned";
import { protectedData } from "./protected-data";
import { replicasInDifferentZones } from "./replicas-in-different-zones";
import { resourcesSet } from "./resources-set";
import { snapshotSchedulePresent } from "./snapshot-schedule-present";

/** All policies of the pack, in the order of the README. */
export const policies: (ResourceValidationPolicy | StackValidationPolicy)[] = [
  protectedData,
  imagePinned,
  resourcesSet,
  snapshotSchedulePresent,
  replicasInDifferentZones,
];
