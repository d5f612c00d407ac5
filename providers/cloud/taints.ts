/** Taints in the words that AWS and Google Cloud both have for their effects. */
import type { Taint } from "../../src/model/topology";

const effects: Readonly<Record<string, string>> = {
  NoSchedule: "NO_SCHEDULE",
  PreferNoSchedule: "PREFER_NO_SCHEDULE",
  NoExecute: "NO_EXECUTE",
};

/** `NoSchedule` → `NO_SCHEDULE`. */
export function cloudEffect({ effect }: Taint): string {
  return effects[effect] ?? effect;
}
