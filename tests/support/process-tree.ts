/** Processes below a process: what an engine has started. */
import { execFileSync } from "node:child_process";
import { readdirSync, readFileSync } from "node:fs";
import { type ProcessIdentity, startTimeOf } from "../../tools/process-identity";

export interface TreeProcess extends ProcessIdentity {
  /** Command line, arguments separated by spaces. */
  command: string;
}

interface Entry {
  pid: number;
  parent: number;
  command: string;
}

/** Every process below `root`, which itself is not among them. */
export function descendants(root: number): TreeProcess[] {
  const all = processes();
  const found: Entry[] = [];
  for (let parents = new Set([root]); parents.size > 0;) {
    const children = all.filter((one) => parents.has(one.parent));
    found.push(...children);
    parents = new Set(children.map((one) => one.pid));
  }
  return found.flatMap(({ pid, command }) => {
    const startTime = startTimeOf(pid);
    return startTime === undefined ? [] : [{ pid, startTime, command }];
  });
}

function processes(): Entry[] {
  return process.platform === "linux" ? readdirSync("/proc").flatMap(fromProc) : fromPs();
}

/** https://man7.org/linux/man-pages/man5/proc_pid_stat.5.html: the fields behind the name in parentheses are the state and the parent. */
function fromProc(entry: string): Entry[] {
  if (!/^\d+$/.test(entry)) {
    return [];
  }
  try {
    const stat = readFileSync(`/proc/${entry}/stat`, "utf8");
    const [, parent] = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
    const command = readFileSync(`/proc/${entry}/cmdline`, "utf8").replaceAll("\0", " ").trim();
    return [{ pid: Number(entry), parent: Number(parent), command }];
  } catch {
    // It ended meanwhile.
    return [];
  }
}

function fromPs(): Entry[] {
  const listing = execFileSync("ps", ["-axww", "-o", "pid=,ppid=,command="], { encoding: "utf8", maxBuffer: 1 << 26 });
  return listing.split("\n").flatMap((line) => {
    const match = /^\s*(\d+)\s+(\d+)\s+(.*)$/.exec(line);
    return match ? [{ pid: Number(match[1]), parent: Number(match[2]), command: match[3] ?? "" }] : [];
  });
}
