/**
 * The few forms of RUN that are done without running anything of the image: packages by apt, users, folders, links, modes, removals. They mean here
 * what they mean in a container; everything else is refused.
 */
import { execFile } from "node:child_process";
import { chmodSync, existsSync, lstatSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { promisify } from "node:util";
import { debianRootEntry } from "../../debian";
import type { ImageBuilder, Staging } from "./builder";
import { words } from "./dockerfile";

/** What a RUN needs besides the image. */
export interface RunContext {
  builder: ImageBuilder;
  staging: Staging;
  /** Short name of the image, for the cache entries of its packages. */
  imageName: string;
  /** Packages that are left out locally. */
  leaveOut: readonly string[];
}

/** Tools of maintainer scripts, which do not run here; no image needs them. */
export const maintainerTools = [
  "adduser",
  "debconf",
  "dpkg",
  "init-system-helpers",
  "install-info",
  "perl-base",
  "sysvinit-utils",
  "ucf",
  "usr-is-merged",
  "usrmerge",
];

type Form = (args: string[], context: RunContext) => Promise<void> | void;

const forms: Record<string, Form> = {
  "apt-get": aptGet,
  rm: remove,
  mkdir: (args, { staging }) => {
    const { rest } = options(args, { "-p": false });
    for (const path of rest) staging.makeFolder(path);
  },
  install: (args, { staging }) => {
    const { given, rest } = options(args, { "-d": false, "-o": true, "-g": true, "-m": true });
    if (!given.has("-d")) throw new Error("of install, only -d is known");
    if (given.has("-o") || given.has("-g")) staging.own({ uid: numeric(given.get("-o")), gid: numeric(given.get("-g")) });
    for (const path of rest) staging.makeFolder(path, octal(given.get("-m") ?? "0755"));
  },
  ln: (args, { staging }) => {
    const { given, rest } = options(args, { "-s": false, "-sf": false });
    if (given.size === 0 || rest.length !== 2) throw new Error("of ln, only ln -s TARGET PATH is known");
    staging.link(rest[0], rest[1]);
  },
  chmod: ([mode, ...paths], { staging }) => {
    for (const path of paths) {
      const file = staging.place(path);
      if (!existsSync(file)) throw new Error(`${path} is not in the files of this RUN; for copied files there is COPY --chmod`);
      chmodSync(file, mode === "+x" ? lstatSync(file).mode | 0o111 : octal(mode));
    }
  },
  groupadd: (args, { staging }) => {
    const { given, rest } = options(args, { "--system": false, "--gid": true });
    appendLine(staging, "/etc/group", `${rest[0]}:x:${numeric(given.get("--gid"))}:`);
  },
  useradd: (args, { staging }) => {
    const { given, rest } = options(args, { "--system": false, "--uid": true, "--gid": true, "--home-dir": true, "--shell": true });
    const ids = `${numeric(given.get("--uid"))}:${numeric(given.get("--gid"))}`;
    appendLine(
      staging,
      "/etc/passwd",
      `${rest[0]}:x:${ids}::${given.get("--home-dir") ?? "/nonexistent"}:${given.get("--shell") ?? "/bin/sh"}`,
    );
  },
};

/** Does one RUN. Throws, saying which part of it is not known. */
export async function runLocally(text: string, context: RunContext): Promise<void> {
  if (text.startsWith("[")) throw new Error("RUN as a JSON list is not known");
  for (const part of text.split("&&").map((one) => one.trim())) {
    const [program, ...args] = words(part);
    if (/[|;<>$`()\\]/.test(part) || forms[program] === undefined) {
      throw new Error(`"${part}" cannot be done without a container engine; known are ${Object.keys(forms).sort().join(", ")}`);
    }
    await forms[program](args, context);
  }
}

/** `-o value` and the like in front of the rest; `known`: whether a value follows. */
function options(args: string[], known: Record<string, boolean>): { given: Map<string, string>; rest: string[] } {
  const given = new Map<string, string>();
  let index = 0;
  for (; index < args.length && args[index].startsWith("-"); index += 1) {
    const option = args[index];
    if (known[option] === undefined) throw new Error(`option ${option} is not known; known are ${Object.keys(known).join(", ")}`);
    given.set(option, known[option] ? args[(index += 1)] : "");
  }
  return { given, rest: args.slice(index) };
}

function numeric(text: string | undefined): number {
  if (text === undefined || !/^\d+$/.test(text))
    throw new Error(`${text ?? "nothing"} is not allowed: users and groups are given by number here`);
  return Number(text);
}

function octal(text: string): number {
  if (!/^[0-7]{3,4}$/.test(text)) throw new Error(`mode ${text} is not allowed: three or four octal digits, or +x`);
  return parseInt(text, 8);
}

function appendLine(staging: Staging, path: string, line: string): void {
  const text = staging.readText(path);
  writeFileSync(staging.place(path), `${text}${line}\n`, { mode: 0o644 });
  staging.touched.add(path.slice(1));
}

function remove(args: string[], { staging }: RunContext): void {
  const { rest } = options(args, { "-rf": false, "-r": false, "-f": false });
  for (const path of rest) {
    // Where apt would have left its lists.
    if (path === "/var/lib/apt/lists/*") continue;
    const file = staging.place(path);
    if (!existsSync(file)) throw new Error(`${path} is not in the files of this RUN; files of earlier ones are not removed here`);
    rmSync(file, { recursive: true });
  }
}

async function aptGet([command, ...args]: string[], context: RunContext): Promise<void> {
  if (command === "update" && args.length === 0) return;
  const { given, rest } = options(args, { "-y": false, "--no-install-recommends": false });
  if (command !== "install" || !given.has("-y") || !given.has("--no-install-recommends")) {
    throw new Error("of apt-get, only update and install -y --no-install-recommends are known");
  }
  await addPackages(context, rest);
}

/** Puts packages and what they depend on into a layer, without what the image has already. */
export async function addPackages({ builder, staging, imageName, leaveOut }: RunContext, packages: readonly string[]): Promise<void> {
  const exclude = [...maintainerTools, ...leaveOut, ...builder.packages].filter((name) => !packages.includes(name));
  const { root, packages: added } = await debianRootEntry(imageName, packages, { exclude });
  await promisify(execFile)("cp", ["-a", "--no-preserve=ownership", "--reflink=auto", `${root}/.`, staging.folder]);
  builder.packages.push(...added.map(({ name }) => name));
  finishPackages(
    staging,
    added.map(({ name }) => name),
  );
}

/** What maintainer scripts would have done and programs rely on. */
function finishPackages(staging: Staging, names: readonly string[]): void {
  const has = (name: string): boolean => names.includes(name);
  if (has("base-passwd")) {
    for (const name of ["passwd", "group"]) staging.copy(join(staging.folder, "usr/share/base-passwd", `${name}.master`), `/etc/${name}`);
  }
  if (has("mawk") && !existsSync(join(staging.folder, "usr/bin/awk"))) staging.link("mawk", "/usr/bin/awk");
  if (has("ca-certificates")) {
    const folder = join(staging.folder, "usr/share/ca-certificates/mozilla");
    const texts = readdirSync(folder)
      .sort()
      .map((name) => readFileSync(join(folder, name), "utf8"));
    writeFileSync(staging.place("/etc/ssl/certs/ca-certificates.crt"), texts.join(""), { mode: 0o644 });
  }
}
