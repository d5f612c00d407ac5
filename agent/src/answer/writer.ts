/** Writes lines to a client no faster than it takes them. */
import type { ServerResponse } from "node:http";

/** Lines are joined to pieces of this many characters: one write for each line would cost more than the line. */
const pieceLength = 32 * 1024;
/** Lines of a slow stream wait so long for others, in milliseconds. */
const patienceMilliseconds = 20;

export interface LineWriter {
  /** Undefined where there is room for more at once. Rejects where the client has gone. */
  write(line: string): Promise<void> | undefined;
  /** The last line, and what is left. */
  end(line: string): void;
}

export function createLineWriter(response: ServerResponse): LineWriter {
  let pending: string[] = [];
  let length = 0;
  let draining: Promise<void> | undefined;
  let timer: NodeJS.Timeout | undefined;
  const flush = (): boolean => {
    clearTimeout(timer);
    timer = undefined;
    const text = pending.join("");
    pending = [];
    length = 0;
    return response.write(text);
  };
  const drained = (): Promise<void> =>
    new Promise((resolve, reject) => {
      const done = (): void => {
        response.off("drain", done).off("close", done);
        draining = undefined;
        if (response.destroyed) {
          reject(new Error("the client has gone"));
        } else {
          resolve();
        }
      };
      response.on("drain", done).on("close", done);
      if (response.destroyed) {
        done();
      }
    });
  return {
    write: (line) => {
      pending.push(line, "\n");
      length += line.length + 1;
      if (draining === undefined && length >= pieceLength) {
        if (!flush()) {
          draining = drained();
        }
      } else {
        timer ??= setTimeout(flush, patienceMilliseconds);
      }
      return draining;
    },
    end: (line) => {
      clearTimeout(timer);
      pending.push(line, "\n");
      response.end(pending.join(""));
    },
  };
}
