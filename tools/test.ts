/** `npm test`: lint, types, and the jest projects, with one line of true numbers at the end. */
import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { constants, setPriority } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { liveMissing } from "./live/missing";
import { checkLiveRequirements } from "./live/requirements";
import { projectRoot, stateDir } from "./paths";
import { pulumiEnvironment } from "./pulumi-env";
import { fetchReferees, liveReferees, refereeEnvironment } from "./referees";
import { resolveTools } from "./resolve";

interface Counts {
  passed: number;
  failed: number;
  skipped: number;
}

/** A project of jest. */
interface Project {
  name: string;
  args: string[];
}

/** Checks that are one command each, with what they need beside the usual environment. */
const checks: { name: string; args: string[]; env?: NodeJS.ProcessEnv }[] = [
  { name: "types", args: ["tsc", "--noEmit", "-p", "tsconfig.json"] },
  // The types of three clouds at once need more than Node's own limit of some 4 GiB.
  { name: "lint", args: ["eslint", "."], env: { NODE_OPTIONS: "--max-old-space-size=8192" } },
  { name: "format", args: ["prettier", "--check", "."] },
];

/** Needs nothing but cores, and gets what the others leave of them: hence the patience. */
const pureProjects: Project[] = [{ name: "unit", args: ["--maxWorkers=2", "--testTimeout=180000"] }];

/** The engine and the contract project start clusters of their own; one file at a time keeps two cores free for each. */
const projects: Project[] = [
  // A failed upload leaves work behind in two of the cloud clients: a new process for every file, and no waiting for it at the end.
  { name: "agent", args: ["--maxWorkers=2", "--workerIdleMemoryLimit=1MB", "--forceExit"] },
  { name: "contract", args: ["--runInBand"] },
  { name: "engine", args: ["--runInBand"] },
  { name: "referees", args: ["--runInBand"] },
  { name: "live", args: ["--runInBand"] },
];

/**
 * @param argv `--all` gets the servers that some tests are held against first, and runs the long live tests too; `--live` does both for the tests that run
 * real pods, and runs nothing else; everything else goes to jest.
 */
export async function testCommand(argv: string[]): Promise<number> {
  const onlyLive = argv.includes("--live");
  const forJest = argv.filter((word) => word !== "--all" && word !== "--live");
  const folder = join(stateDir, "test-results");
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  // The tool chain is fetched or built before the first test, so that no test waits for a compiler.
  await resolveTools(["etcd", "kubernetes", "kwok", "pulumi"]);
  await pulumiEnvironment();
  if (argv.includes("--all")) {
    await fetchReferees();
  } else if (onlyLive) {
    await checkLiveRequirements();
    await fetchReferees(liveReferees);
  }
  const missing = await liveMissing();
  if (missing !== undefined) {
    process.stderr.write(`\nThe live tests are skipped. ${missing}\n`);
  }
  const env = {
    ...refereeEnvironment(),
    ...(missing === undefined ? {} : { LIVE_MISSING: missing }),
    ...(onlyLive || argv.includes("--all") ? { LIVE_LONG: "1" } : {}),
  };

  const total: Counts = { passed: 0, failed: 0, skipped: 0 };
  const runProject = async (project: Project, start: Start): Promise<void> => {
    const file = join(folder, `${project.name}.json`);
    rmSync(file, { force: true });
    const args = [
      "jest",
      "--selectProjects",
      project.name,
      "--passWithNoTests=false",
      "--json",
      `--outputFile=${file}`,
      ...project.args,
      ...forJest,
    ];
    add(total, readCounts(file, await start(env, `${project.name} tests`, ["npx", "--no-install", ...args])));
  };
  // What needs nothing but cores runs behind the rest, in the time that clusters and databases leave: they wait half of theirs.
  const behind = async (): Promise<void> => {
    for (const { name, args, env: more } of checks) {
      const code = await runBehind({ ...env, ...more }, name, ["npx", "--no-install", ...args]);
      add(total, { passed: code === 0 ? 1 : 0, failed: code === 0 ? 0 : 1, skipped: 0 });
    }
    for (const project of pureProjects) {
      await runProject(project, runBehind);
    }
  };
  const rest = onlyLive ? Promise.resolve() : behind();
  for (const project of onlyLive ? projects.filter(({ name }) => name === "live") : projects) {
    await runProject(project, run);
  }
  if (!onlyLive) {
    add(total, await goTests(env, "ingest"));
  }
  await rest;

  const line = `${total.passed} passed, ${total.failed} failed${total.skipped > 0 ? `, ${total.skipped} skipped` : ""}`;
  writeFileSync(join(folder, "counts.txt"), `${line}\n`);
  process.stdout.write(`\n${line}\n`);
  return total.failed > 0 ? 1 : 0;
}

/** What jest counted. A file that could not even be loaded counts as one failure, and so does a run without a result. */
function readCounts(file: string, code: number): Counts {
  if (!existsSync(file)) {
    return { passed: 0, failed: 1, skipped: 0 };
  }
  const result = JSON.parse(readFileSync(file, "utf8")) as Record<string, number>;
  const failed = (result["numFailedTests"] ?? 0) + (result["numRuntimeErrorTestSuites"] ?? 0);
  return {
    passed: result["numPassedTests"] ?? 0,
    failed: code !== 0 && failed === 0 ? 1 : failed,
    skipped: (result["numPendingTests"] ?? 0) + (result["numTodoTests"] ?? 0),
  };
}

/** The tests of a Go module, counted by its own reports; one skipped test where there is no Go. */
async function goTests(env: NodeJS.ProcessEnv, module: string): Promise<Counts> {
  const counts: Counts = { passed: 0, failed: 0, skipped: 0 };
  if (spawnSync("go", ["version"]).status !== 0) {
    process.stderr.write(`\n── ${module} tests ── skipped: there is no go on PATH\n`);
    return { ...counts, skipped: 1 };
  }
  process.stderr.write(`\n── ${module} tests ──\n`);
  const child = spawn("go", ["test", "-json", "-count=1", "./..."], {
    cwd: join(projectRoot, module),
    env,
    stdio: ["ignore", "pipe", "inherit"],
  });
  const code = new Promise<number>((resolve) => child.on("close", (status) => resolve(status ?? 1)).on("error", () => resolve(1)));
  for await (const line of createInterface({ input: child.stdout })) {
    const event = parseGoEvent(line);
    const outcome = event && goOutcomes[event.Action];
    // Events without a test are about the whole package.
    if (event?.Test && outcome) {
      counts[outcome] += 1;
    }
    if (event?.Action === "output" && /^(---|ok|FAIL|panic|\s+\S+_test\.go)/.test(event.Output ?? "")) {
      process.stderr.write(event.Output ?? "");
    }
  }
  return (await code) !== 0 && counts.failed === 0 ? { ...counts, failed: 1 } : counts;
}

interface GoEvent {
  Action: string;
  Test?: string;
  Output?: string;
}

const goOutcomes: Partial<Record<string, keyof Counts>> = { pass: "passed", fail: "failed", skip: "skipped" };

function parseGoEvent(line: string): GoEvent | undefined {
  try {
    return JSON.parse(line) as GoEvent;
  } catch {
    return undefined;
  }
}

function add(total: Counts, more: Counts): void {
  total.passed += more.passed;
  total.failed += more.failed;
  total.skipped += more.skipped;
}

/** Runs a command and returns its exit code. */
type Start = (env: NodeJS.ProcessEnv, title: string, command: string[]) => Promise<number>;

const run: Start = (env, title, [program, ...args]) => {
  process.stderr.write(`\n── ${title} ──\n`);
  const child = spawn(program, args, { cwd: projectRoot, env, stdio: ["ignore", "inherit", "inherit"] });
  return exitCodeOf(child);
};

/** With low priority, so that nothing waits for it that measures time; what it writes is shown at its end. */
const runBehind: Start = async (env, title, [program, ...args]) => {
  const child = spawn(program, args, { cwd: projectRoot, env, stdio: ["ignore", "pipe", "pipe"] });
  const written: Buffer[] = [];
  child.stdout.on("data", (chunk: Buffer) => written.push(chunk));
  child.stderr.on("data", (chunk: Buffer) => written.push(chunk));
  if (child.pid !== undefined) {
    setPriority(child.pid, constants.priority.PRIORITY_LOW);
  }
  const code = await exitCodeOf(child);
  process.stderr.write(`\n── ${title} (ran beside the others) ──\n${Buffer.concat(written).toString()}`);
  return code;
};

function exitCodeOf(child: ChildProcess): Promise<number> {
  return new Promise((resolve, reject) => {
    child.on("error", reject);
    child.on("close", (code) => resolve(code ?? 1));
  });
}
