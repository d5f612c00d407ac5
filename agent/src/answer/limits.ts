/** What keeps many or large questions from filling the memory: bytes and requests that all questions share. */
import { QuestionError } from "./failure";

/** Bytes of partial answers in memory, of all questions together. */
export interface Budget {
  readonly used: number;
  /** The share of one question. */
  lease(): Lease;
}

export interface Lease {
  /** @throws QuestionError where the budget has no room: 507 where the question alone is too large, 503 where it may come again later */
  take(bytes: number): void;
  give(bytes: number): void;
  /** Gives all of it back. */
  release(): void;
}

export function createBudget(total: number): Budget {
  let used = 0;
  return {
    get used() {
      return used;
    },
    lease: () => {
      let own = 0;
      const give = (bytes: number): void => {
        own -= bytes;
        used -= bytes;
      };
      return {
        take: (bytes) => {
          if (used + bytes > total) {
            throw own + bytes > total / 2
              ? new QuestionError(
                  507,
                  `the partial answers are larger than the ${total} bytes that may be in memory (maxBufferedBytes); ask for application/x-ndjson, ask for less, or raise the limit`,
                )
              : new QuestionError(
                  503,
                  `the partial answers of all questions together fill the ${total} bytes of maxBufferedBytes; try again`,
                  {
                    "retry-after": "1",
                  },
                );
          }
          own += bytes;
          used += bytes;
        },
        give,
        release: () => give(own),
      };
    },
  };
}

/**
 * Places for requests that are under way; a question takes all that it needs at once and in the order of coming, so that two questions never hold half
 * of what both need.
 */
export interface Places {
  readonly taken: number;
  /** A question that needs more than there are gets all of them. Rejects with the signal's reason; returns what gives the places back. */
  take(count: number, signal: AbortSignal): Promise<() => void>;
}

export function createPlaces(total: number): Places {
  let taken = 0;
  const queue: { count: number; start: () => void }[] = [];
  const next = (): void => {
    for (let first = queue[0]; first !== undefined && taken + first.count <= total; first = queue[0]) {
      queue.shift();
      first.start();
    }
  };
  return {
    get taken() {
      return taken;
    },
    take: (wanted, signal) =>
      new Promise((resolve, reject) => {
        const count = Math.min(wanted, total);
        const entry = {
          count,
          start: () => {
            signal.removeEventListener("abort", leave);
            taken += count;
            let given = false;
            resolve(() => {
              if (!given) {
                given = true;
                taken -= count;
                next();
              }
            });
          },
        };
        const leave = (): void => {
          const index = queue.indexOf(entry);
          if (index >= 0) {
            queue.splice(index, 1);
          }
          reject(signal.reason as Error);
          next();
        };
        if (signal.aborted) {
          reject(signal.reason as Error);
          return;
        }
        signal.addEventListener("abort", leave, { once: true });
        queue.push(entry);
        next();
      }),
  };
}
