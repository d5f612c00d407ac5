/** Physical names that change with what cannot be changed in place. */
import { contentHash, dnsNameWithin } from "../../src/model/names";

/**
 * A short hash of all that forces a replacement. It is part of the physical name, so that the new machine can be there before the old one goes: two machines
 * of one name cannot be. Frozen: another hash would replace every node of every mesh.
 */
export function generation(immutable: Readonly<Record<string, unknown>>): string {
  return contentHash(immutable).slice(0, 6);
}

/** `<mesh>-<node>-<generation>`, within the cloud's limit; the generation is always whole. */
export function generationName(limit: number, parts: readonly string[], hash: string): string {
  return `${dnsNameWithin(limit - hash.length - 1, ...parts)}-${hash}`;
}
