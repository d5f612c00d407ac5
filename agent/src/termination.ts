/** The last words of a container: Kubernetes shows what is in this file as the reason why it ended. */
import { existsSync, writeFileSync } from "node:fs";

/** Default of `terminationMessagePath`; the kubelet makes the file, so there is none outside of a pod. */
export const terminationLog = "/dev/termination-log";

/** Longer ones are cut off by the kubelet, at the end. */
const maxBytes = 4096;

/** Writes the message where the file exists; a failure is no reason to fail. */
export function writeTermination(message: string, file: string = terminationLog): void {
  try {
    if (existsSync(file)) {
      writeFileSync(file, Buffer.from(message).subarray(0, maxBytes));
    }
  } catch {
    // The log has it.
  }
}
