/**
 * Ends an ephemeral cluster when its owner is gone, even after `kill -9` of the owner, and removes the cluster's folder.
 *
 * Usage: node watchdog.cjs <ownerPid> <folder> [ownerStartTime]
 * Plain JavaScript on purpose: tests run from TypeScript sources, before anything is compiled. It ends as well when the folder is gone.
 */
"use strict";
const fs = require("node:fs");
const path = require("node:path");
const { startTimeOf } = require("./start-time.cjs");

const ownerPid = Number(process.argv[2]);
const folder = process.argv[3];
if (!Number.isInteger(ownerPid) || ownerPid < 2 || !folder || !path.isAbsolute(folder) || !fs.existsSync(path.join(folder, "ephemeral"))) {
  process.stderr.write("usage: node watchdog.cjs <ownerPid> <absolute folder of an ephemeral cluster> [ownerStartTime]\n");
  process.exit(2);
}

const ownerStartTime = process.argv[4] || startTimeOf(ownerPid);

/** Recorded parts that were seen, pid → start time: somebody may remove the folder before all of them have ended. */
const seen = new Map();

/** Parts by their pid files, while these are there. */
function recorded() {
  const pids = path.join(folder, "pids");
  for (const file of fs.existsSync(pids) ? fs.readdirSync(pids) : []) {
    if (!file.endsWith(".json")) continue;
    try {
      const { pid, startTime } = JSON.parse(fs.readFileSync(path.join(pids, file), "utf8"));
      if (startTime) seen.set(pid, startTime);
    } catch {
      // A half-written file: found by its command line below.
    }
  }
  return [...seen].flatMap(([pid, startTime]) => (startTimeOf(pid) === startTime ? [pid] : []));
}

/** A part started in the very moment of the kill may have no pid file yet; its command line names the folder. */
function strays() {
  const found = [];
  if (process.platform !== "linux") return found;
  for (const entry of fs.readdirSync("/proc")) {
    if (!/^\d+$/.test(entry) || Number(entry) === process.pid) continue;
    try {
      const argv = fs.readFileSync(`/proc/${entry}/cmdline`, "utf8").split("\0");
      if (argv.some((argument) => argument.startsWith("--") && argument.includes(`=${folder}/`))) found.push(Number(entry));
    } catch {
      // It ended meanwhile.
    }
  }
  return found;
}

function check() {
  const there = fs.existsSync(folder);
  const known = recorded();
  if (there && ownerStartTime !== undefined && startTimeOf(ownerPid) === ownerStartTime) return;
  const left = [...known, ...strays()];
  for (const pid of left) {
    try {
      process.kill(pid, "SIGKILL");
    } catch {
      // It ended meanwhile.
    }
  }
  if (left.length > 0) return; // Looked at again until none is left, then the files go.
  fs.rmSync(folder, { recursive: true, force: true, maxRetries: 5, retryDelay: 100 });
  process.exit(0);
}

setInterval(check, 300);
