/** Which pods can be asked for which shard. */

/** A ready pod and the shards that it answers for. */
export interface Owner {
  /** `host:port`, as errors name it. */
  address: string;
  host: string;
  port: number;
  /** Name of the mesh node. */
  node: string;
  shards: readonly number[];
  primary: readonly number[];
}

/** All owners at one moment. */
export interface OwnerTable {
  readonly owners: readonly Owner[];
  /** The owners of a shard, primaries first, then by address. */
  candidates(shard: number): readonly Owner[];
}

/** Shards that are asked of one pod. */
export interface Assignment {
  owner: Owner;
  /** Ascending. */
  shards: number[];
}

export function createOwnerTable(owners: readonly Owner[], shardCount: number): OwnerTable {
  const sorted = [...owners].sort((a, b) => (a.address < b.address ? -1 : 1));
  const byShard = Array.from({ length: shardCount }, (): Owner[] => []);
  for (const owner of sorted) {
    owner.primary.forEach((shard) => byShard[shard]?.push(owner));
  }
  for (const owner of sorted) {
    const primary = new Set(owner.primary);
    owner.shards.forEach((shard) => primary.has(shard) || byShard[shard]?.push(owner));
  }
  return { owners: sorted, candidates: (shard) => byShard[shard] ?? [] };
}

/**
 * Chooses a pod for each shard: the first candidate that `choose` allows.
 *
 * @param avoid pods that failed a moment ago: they are asked only where nobody else can be
 */
export function assign(
  table: OwnerTable,
  shards: readonly number[],
  allowed: (owner: Owner) => boolean,
  avoid: (owner: Owner) => boolean,
): { assignments: Assignment[]; without: number[] } {
  const byOwner = new Map<Owner, number[]>();
  const without: number[] = [];
  for (const shard of shards) {
    const candidates = table.candidates(shard).filter(allowed);
    const owner = candidates.find((candidate) => !avoid(candidate)) ?? candidates[0];
    if (owner === undefined) {
      without.push(shard);
    } else {
      const known = byOwner.get(owner);
      if (known === undefined) {
        byOwner.set(owner, [shard]);
      } else {
        known.push(shard);
      }
    }
  }
  return { assignments: [...byOwner].map(([owner, own]) => ({ owner, shards: own })), without };
}
