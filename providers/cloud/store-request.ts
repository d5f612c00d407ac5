/** What can be wrong with a request for a snapshot store whatever the cloud. */
import { checkDnsLabel, checkInteger, checkKnownKeys } from "../../src/model/checks";
import { Problems, type InputProblem } from "../../src/model/errors";
import type { SnapshotStoreRequest } from "../provider";
import { checkDataProtection } from "./options";

const keys = [
  "storeName",
  "mesh",
  "namespace",
  "serviceAccountName",
  "recoveryDays",
  "objectLockDays",
  "region",
  "encryptionKey",
  "dataProtection",
];

/** Days for which a removed object can be brought back, where the request does not say. */
export const defaultRecoveryDays = 7;

/**
 * Checks what is the same on every cloud: names, days and protection; paths are relative to the request.
 *
 * @param mostRecoveryDays the cloud's own limit; ten years at most everywhere
 */
export function checkStoreRequest(request: SnapshotStoreRequest, mostRecoveryDays = 3650): InputProblem[] {
  const problems = new Problems("snapshotStore");
  checkKnownKeys(problems, "", request, keys);
  for (const key of ["storeName", "mesh", "namespace", "serviceAccountName"] as const) {
    checkDnsLabel(problems, key, request[key]);
  }
  if (request.recoveryDays !== undefined) {
    checkInteger(problems, "recoveryDays", request.recoveryDays, { min: 1, max: mostRecoveryDays });
  }
  if (request.objectLockDays !== undefined) {
    checkInteger(problems, "objectLockDays", request.objectLockDays, { min: 1, max: 3650 });
  }
  checkDataProtection(problems, "dataProtection", request.dataProtection);
  return [...problems.all];
}
