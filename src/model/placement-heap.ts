/** A binary heap (Williams 1964) of vertices by distance, then by number of steps, then by vertex: the order is the same on every machine. */
export class Heap {
  private readonly entries: { distance: number; steps: number; vertex: number }[] = [];

  public clear(): void {
    this.entries.length = 0;
  }

  public push(distance: number, steps: number, vertex: number): void {
    const { entries } = this;
    const entry = { distance, steps, vertex };
    let at = entries.push(entry) - 1;
    while (at > 0 && before(entry, entries[(at - 1) >> 1])) {
      entries[at] = entries[(at - 1) >> 1];
      at = (at - 1) >> 1;
    }
    entries[at] = entry;
  }

  /** Takes the least entry out. */
  public pop(): { distance: number; steps: number; vertex: number } | undefined {
    const { entries } = this;
    const least = entries[0];
    const last = entries.pop();
    if (last === undefined || entries.length === 0) {
      return last;
    }
    let at = 0;
    for (;;) {
      let child = 2 * at + 1;
      if (child + 1 < entries.length && before(entries[child + 1], entries[child])) {
        child++;
      }
      if (child >= entries.length || !before(entries[child], last)) {
        break;
      }
      entries[at] = entries[child];
      at = child;
    }
    entries[at] = last;
    return least;
  }
}

interface Entry {
  distance: number;
  steps: number;
  vertex: number;
}

function before(a: Entry, b: Entry): boolean {
  return a.distance < b.distance || (a.distance === b.distance && (a.steps < b.steps || (a.steps === b.steps && a.vertex < b.vertex)));
}
