/** Progress of long work on stderr: what, how far, how long so far, how long the last time. */

/** How far the work is. */
export interface ProgressState {
  what: string;
  /** For example "312 of about 1450 packages". */
  detail?: string;
  elapsedSeconds: number;
  /** How long the same work took the last time, where that is known. */
  lastSeconds?: number;
}

/** "45 s", "4 min 10 s". */
export function formatSeconds(seconds: number): string {
  const whole = Math.round(seconds);
  if (seconds < 9.95) return `${seconds.toFixed(1)} s`;
  return whole < 120 ? `${whole} s` : `${Math.floor(whole / 60)} min ${whole % 60} s`;
}

/** One progress line, for example "building kubernetes 1.36.3 from Go modules (2 of 4) … 45 s, last time 4 min 10 s". */
export function progressText(state: ProgressState): string {
  const detail = state.detail === undefined ? "" : ` – ${state.detail}`;
  const last = state.lastSeconds === undefined ? "" : `, last time ${formatSeconds(state.lastSeconds)}`;
  return `${state.what}${detail} … ${formatSeconds(state.elapsedSeconds)}${last}`;
}

/** Work that is being reported. */
export interface Progress {
  /** What is going on just now. */
  detail(text: string): void;
  /** Ends the report, with "done" where no other text is given. */
  done(text?: string): void;
  fail(): void;
}

/** Where progress goes; replaced in tests. */
export interface ProgressOutput {
  isTTY?: boolean;
  columns?: number;
  write(text: string): unknown;
}

/** Seconds between two lines where the output is no terminal. */
export const quietInterval = 15;

/** Reports one piece of long work: one line that is rewritten on a terminal, else a line at the start, every 15 s and at the end. */
export function startProgress(what: string, options: { lastSeconds?: number; output?: ProgressOutput } = {}): Progress {
  const output = options.output ?? process.stderr;
  const terminal = output.isTTY === true;
  const began = Date.now();
  let detail: string | undefined;
  let ended = false;
  const text = (): string => progressText({ what, detail, elapsedSeconds: (Date.now() - began) / 1000, lastSeconds: options.lastSeconds });
  const show = (): void => {
    if (terminal) output.write(`\r\u001b[2K${text().slice(0, (output.columns ?? 100) - 1)}`);
    else output.write(`${text()}\n`);
  };
  const timer = setInterval(show, terminal ? 200 : quietInterval * 1000);
  timer.unref();
  if (terminal) show();
  else output.write(`${what}${options.lastSeconds === undefined ? "" : ` (last time ${formatSeconds(options.lastSeconds)})`}\n`);
  const end = (word: string): void => {
    if (ended) return;
    ended = true;
    clearInterval(timer);
    output.write(`${terminal ? "\r\u001b[2K" : ""}${what}: ${word} in ${formatSeconds((Date.now() - began) / 1000)}\n`);
  };
  return {
    detail: (next) => {
      detail = next;
    },
    done: (word = "done") => end(word),
    fail: () => end("failed"),
  };
}

/** Progress that says nothing, for tests. */
export const silentProgress: Progress = { detail: () => undefined, done: () => undefined, fail: () => undefined };
