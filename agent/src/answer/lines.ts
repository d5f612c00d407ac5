/** NDJSON, chunk by chunk: lines end where they end, not where a chunk does. */
import { PartialFailure } from "./failure";

const newline = 0x0a;

/** Longest line in bytes: a row beyond it is no row but a missing newline. */
export const maxLineBytes = 4 * 1024 * 1024;

/** Puts chunks together to lines. */
export interface LineReader {
  /** The whole lines that end in this chunk. */
  push(chunk: Buffer): string[];
  /** The last line, where no newline ends it. */
  end(): string[];
}

/** @param longest most bytes of a line */
export function createLineReader(longest = maxLineBytes): LineReader {
  // Pieces of a line that has not ended; joined once, or a line of many chunks would be copied for each of them.
  let pieces: Buffer[] = [];
  let bytes = 0;
  const keep = (piece: Buffer): void => {
    bytes += piece.length;
    if (bytes > longest) {
      throw new PartialFailure("malformed", `malformed: a line has more than ${longest} bytes`, true);
    }
    if (piece.length > 0) {
      pieces.push(piece);
    }
  };
  const flush = (): string => {
    // Bytes, not texts, are joined: a character may be cut by the end of a chunk.
    const text = pieces.length === 1 ? (pieces[0]?.toString("utf8") ?? "") : Buffer.concat(pieces).toString("utf8");
    pieces = [];
    bytes = 0;
    return text;
  };
  return {
    push: (chunk) => {
      const first = chunk.indexOf(newline);
      if (first < 0) {
        keep(chunk);
        return [];
      }
      keep(chunk.subarray(0, first));
      const last = chunk.lastIndexOf(newline);
      const lines = [flush()];
      if (last > first) {
        lines.push(...chunk.toString("utf8", first + 1, last).split("\n"));
      }
      keep(chunk.subarray(last + 1));
      return lines.filter((line) => line.trim() !== "");
    },
    end: () => [flush()].filter((line) => line.trim() !== ""),
  };
}

/** @throws PartialFailure where the line is not JSON */
export function parseLine(line: string): unknown {
  try {
    return JSON.parse(line) as unknown;
  } catch {
    throw new PartialFailure("malformed", `malformed: ${JSON.stringify(line.slice(0, 60))} is not a line of JSON`, true);
  }
}
