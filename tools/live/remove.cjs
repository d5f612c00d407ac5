/**
 * Removes everything of a live cluster: processes, control groups, network namespaces, mounts, and its folder. Finds what a start that was killed half-way
 * has left as well: the names of all of it begin with the id in the folder's live.json, which is written before anything else.
 *
 * Usage: node remove.cjs <folder>
 *        node remove.cjs --after <ownerPid> <ownerStartTime> <folder>    waits until the owner has ended, in whatever way
 * Prints what it removed as JSON. Plain JavaScript on purpose: tests run from TypeScript sources, before anything is compiled.
 */
"use strict";
const { execFileSync } = require("node:child_process");
const fs = require("node:fs");
const path = require("node:path");
const { startTimeOf } = require("../start-time.cjs");

const endMilliseconds = 30_000;
const pause = (milliseconds) => Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, milliseconds);

function readJson(file) {
  try {
    return JSON.parse(fs.readFileSync(file, "utf8"));
  } catch {
    return undefined;
  }
}

const list = (folder) => {
  try {
    return fs.readdirSync(folder, { withFileTypes: true });
  } catch {
    return [];
  }
};

/** Control groups below every hierarchy, innermost first. */
function cgroups(id) {
  const found = [];
  const below = (folder) => {
    for (const entry of list(folder)) if (entry.isDirectory()) below(path.join(folder, entry.name));
    found.push(folder);
  };
  const roots = ["/sys/fs/cgroup", ...list("/sys/fs/cgroup").map((entry) => path.join("/sys/fs/cgroup", entry.name))];
  for (const root of roots) {
    for (const entry of list(root)) if (entry.isDirectory() && entry.name.startsWith(`${id}-`)) below(path.join(root, entry.name));
  }
  return [...new Set(found)];
}

/** Names of network namespaces. */
const namespaces = (id) =>
  list("/run/netns")
    .map(({ name }) => name)
    .filter((name) => name.startsWith(`${id}-`));

/** What tells the network namespaces apart, whatever their names. */
const identities = (id) => namespaces(id).map((name) => identity(`/run/netns/${name}`));

/** Processes: the recorded ones, whatever runs in one of these network namespaces, and whatever is in the cluster's control groups. */
function processes(folder, id, inside) {
  const found = new Set();
  for (const { name } of list(path.join(folder, "pids"))) {
    const record = readJson(path.join(folder, "pids", name));
    if (record && record.startTime && startTimeOf(record.pid) === record.startTime) found.add(record.pid);
  }
  if (id === undefined) return found;
  for (const { name } of list("/proc")) {
    if (/^\d+$/.test(name) && inside.has(identity(`/proc/${name}/ns/net`)) && startTimeOf(Number(name)) !== undefined)
      found.add(Number(name));
  }
  for (const group of cgroups(id)) {
    try {
      for (const pid of fs.readFileSync(path.join(group, "cgroup.procs"), "utf8").split("\n")) if (pid > 1) found.add(Number(pid));
    } catch {
      // It went meanwhile, or is one of threads.
    }
  }
  found.delete(process.pid);
  return found;
}

function identity(file) {
  try {
    const { dev, ino } = fs.statSync(file);
    return `${dev}:${ino}`;
  } catch {
    return undefined;
  }
}

/** Mount points of this machine below a folder, innermost first. */
function mounts(folder) {
  const points = fs
    .readFileSync("/proc/self/mountinfo", "utf8")
    .split("\n")
    .map((line) => (line.split(" ")[4] ?? "").replace(/\\(\d{3})/g, (_, octal) => String.fromCharCode(parseInt(octal, 8))));
  return points.filter((point) => point === folder || point.startsWith(`${folder}/`)).reverse();
}

/** Does it again until `step` says that nothing is left. */
function untilNone(what, step) {
  const deadline = Date.now() + endMilliseconds;
  for (let left = step(); left.length > 0; left = step()) {
    if (Date.now() > deadline) throw new Error(`${what} cannot be removed: ${left.join(", ")}`);
    pause(50);
  }
}

function remove(folder) {
  const id = (readJson(path.join(folder, "live.json")) ?? {}).id;
  if (id !== undefined && !/^cm[0-9a-f]{6}$/.test(id))
    throw new Error(`${folder}/live.json: id ${JSON.stringify(id)} is none of a live cluster`);
  const removed = { processes: new Set(), cgroups: 0, namespaces: 0, mounts: 0 };
  const inside = new Set();
  // Twice: a program that a killed start had just begun may have made one more thing, or entered a namespace, behind our back.
  for (let pass = 0; pass < 2; pass += 1) {
    if (pass > 0) pause(100);
    endProcesses(folder, id, inside, removed);
    if (id !== undefined) removeNames(id, removed);
  }
  untilNone("mounts", () => {
    const left = mounts(folder);
    for (const point of left) {
      execFileSync("umount", ["--lazy", point], { stdio: ["ignore", "ignore", "pipe"] });
      removed.mounts += 1;
    }
    // Only what is mounted no more may be deleted below the folder.
    return left.filter((point) => mounts(folder).includes(point));
  });
  fs.rmSync(folder, { recursive: true, force: true, maxRetries: 5, retryDelay: 100 });
  return { ...removed, processes: removed.processes.size };
}

function endProcesses(folder, id, inside, removed) {
  untilNone("processes", () => {
    for (const one of id === undefined ? [] : identities(id)) if (one !== undefined) inside.add(one);
    const running = [...processes(folder, id, inside)];
    for (const pid of running) {
      removed.processes.add(pid);
      try {
        process.kill(pid, "SIGKILL");
      } catch {
        // It ended meanwhile.
      }
    }
    return running;
  });
}

function removeNames(id, removed) {
  untilNone("control groups", () =>
    cgroups(id).filter((group) => {
      try {
        fs.rmdirSync(group);
        removed.cgroups += 1;
        return false;
      } catch (error) {
        return error.code !== "ENOENT";
      }
    }),
  );
  for (const name of namespaces(id)) {
    execFileSync("ip", ["netns", "delete", name], { stdio: ["ignore", "ignore", "pipe"] });
    removed.namespaces += 1;
  }
}

function main(argv) {
  const after = argv[0] === "--after" ? { pid: Number(argv[1]), startTime: argv[2] } : undefined;
  const folder = after ? argv[3] : argv[0];
  if (!folder || !path.isAbsolute(folder)) {
    process.stderr.write("usage: node remove.cjs [--after <ownerPid> <ownerStartTime>] <absolute folder of a live cluster>\n");
    process.exit(2);
  }
  const now = () => process.stdout.write(`${JSON.stringify(remove(folder))}\n`);
  if (!after) return now();
  setInterval(() => {
    if (!fs.existsSync(folder)) process.exit(0);
    if (startTimeOf(after.pid) === after.startTime) return;
    now();
    process.exit(0);
  }, 300);
}

main(process.argv.slice(2));
