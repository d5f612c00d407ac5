/** When a process started, for the programs of plain JavaScript that run before anything is compiled. */
"use strict";
const { execFileSync } = require("node:child_process");
const fs = require("node:fs");

/** As `startTimeOf` in process-identity.ts: both read the same recorded values. */
function startTimeOf(pid) {
  if (process.platform === "linux") {
    try {
      const stat = fs.readFileSync(`/proc/${pid}/stat`, "utf8");
      const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
      const boot = fs.readFileSync("/proc/sys/kernel/random/boot_id", "utf8").trim();
      return fields[0] === "X" || (fields[0] === "Z" && Number(fields[17]) <= 1) ? undefined : `${boot}:${fields[19]}`;
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
