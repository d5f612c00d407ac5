/** When a process started. Plain JavaScript, because some of its callers run before anything is compiled. */
"use strict";
const { execFileSync } = require("node:child_process");
const { readFileSync } = require("node:fs");

let bootId;
function currentBoot() {
  if (bootId !== undefined) return bootId;
  try {
    bootId = readFileSync("/proc/sys/kernel/random/boot_id", "utf8").trim();
  } catch {
    bootId = "";
  }
  return bootId;
}

/**
 * Start time of a running process; undefined where there is none, or only its unreaped entry (zombie).
 *
 * @param {number} pid
 * @returns {string | undefined} boot id and clock ticks on Linux, the start date elsewhere
 */
function startTimeOf(pid) {
  if (process.platform === "linux") {
    try {
      const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
      // Field 2 is the name in parentheses and may hold spaces and parentheses; what follows it begins with field 3, the state. Field 20 is the number of
      // threads, 22 the start time. A zombie whose other threads are still ending holds its ports: it is not gone yet.
      const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
      return fields[0] === "X" || (fields[0] === "Z" && Number(fields[17]) <= 1) ? undefined : `${currentBoot()}:${fields[19]}`;
    } catch {
      return undefined;
    }
  }
  try {
    const line = execFileSync("ps", ["-o", "state=,lstart=", "-p", String(pid)], {
      encoding: "utf8",
      stdio: ["ignore", "pipe", "ignore"],
    }).trim();
    return line === "" || line.startsWith("Z") ? undefined : line.replace(/^\S+\s+/, "");
  } catch {
    return undefined;
  }
}

module.exports = { startTimeOf };
