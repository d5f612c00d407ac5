/** Runs a piece of JavaScript in a process of its own and says what it cost: nothing that ran before is counted. */
import { spawnSync } from "node:child_process";
import { projectRoot } from "../../tools/paths";

export interface Cost {
  /** Seconds of CPU of the work alone, without the start of Node and the loading of modules. */
  cpuSeconds: number;
  /** Most memory of the whole process, in MB, and how much of that it had before the work. */
  peakMegabytes: number;
  idleMegabytes: number;
  /** What the work returned. */
  value: unknown;
}

/**
 * Measures `work`, the body of a function, after `load` has run.
 *
 * @param load what is not measured, for example `const model = require("./dist/src/model")`
 */
export function inOwnProcess(load: string, work: string): Cost {
  const program = `${load}
    const idle = process.memoryUsage().rss;
    const began = process.cpuUsage();
    const value = (() => { ${work} })();
    const { user, system } = process.cpuUsage(began);
    process.stdout.write(JSON.stringify({ cpuSeconds: (user + system) / 1e6, peakMegabytes: process.resourceUsage().maxRSS / 1e3, idleMegabytes: idle / 1e6, value }));`;
  const child = spawnSync(process.execPath, ["-e", program], { cwd: projectRoot, encoding: "utf8", maxBuffer: 2 ** 28 });
  if (child.status !== 0) {
    throw new Error(`the measured program failed: ${child.stderr}`);
  }
  return JSON.parse(child.stdout) as Cost;
}
