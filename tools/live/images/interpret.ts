/** Building an image from a Dockerfile without a container engine: the instructions of one stage, done on folders. */
import { createHash } from "node:crypto";
import { existsSync, lstatSync, readdirSync, readFileSync, readlinkSync } from "node:fs";
import { basename, join, posix } from "node:path";
import { messageOf } from "../../files";
import { findBase } from "./bases";
import type { ImageBuilder } from "./builder";
import { commandOf, type Dockerfile, dockerfileError, expand, findStage, type Instruction, pairs, type Stage, words } from "./dockerfile";
import { runLocally } from "./run-forms";
import { pathsBelow } from "./tree";

/** Files that a stage would have made, made here in another way. */
export interface StageFiles {
  /** Stands for the root of the stage. */
  folder: string;
  /** Says what is in it: the same key, the same files. */
  key: string;
}

/** What is built. */
export interface BuildRequest {
  dockerfile: Dockerfile;
  /** Name of the stage. Default: the last one. */
  target?: string;
  /** Folder that COPY takes files from. */
  context: string;
  /** Stages that are not interpreted, by name. */
  stages: Readonly<Record<string, StageFiles>>;
  /** Short name of the image. */
  imageName: string;
  leaveOut: readonly string[];
}

/** The stages that make up the target, the one on a known base first. Throws for a base that is not known. */
export function stageChain(dockerfile: Dockerfile, target?: string): Stage[] {
  const stage = findStage(dockerfile, target);
  const earlier = dockerfile.stages.find((other) => other.index < stage.index && other.name === stage.base.toLowerCase());
  if (earlier !== undefined) return [...stageChain(dockerfile, earlier.name), stage];
  if (findBase(stage.base) === undefined) {
    throw dockerfileError(
      dockerfile.file,
      stage.line,
      `FROM ${stage.base}: this image cannot be had without a registry; known are debian:bookworm-slim, node:<version>-bookworm-slim, busybox, gcr.io/distroless/static and scratch`,
    );
  }
  return [stage];
}

/** Everything that decides the image, as text: two equal texts mean the same image. */
export async function inputsOf(request: BuildRequest): Promise<string> {
  const chain = stageChain(request.dockerfile, request.target);
  const inputs: unknown[] = [await findBase(chain[0].base)!.key(), request.leaveOut];
  for (const instruction of chain.flatMap((stage) => stage.instructions)) {
    const { keyword, flags, text } = instruction;
    inputs.push([keyword, flags, text]);
    if (keyword !== "COPY") continue;
    const source = copySource(request, instruction);
    const { sources } = copyArguments(request, instruction, {});
    inputs.push(source.key ?? matching(source.folder, sources).map((path) => [path, contentKey(join(source.folder, path))]));
  }
  return JSON.stringify(inputs);
}

/** Builds the target stage into `builder`. Every error names file and line. */
export async function interpret(request: BuildRequest, builder: ImageBuilder): Promise<void> {
  const chain = stageChain(request.dockerfile, request.target);
  await findBase(chain[0].base)!.make(builder);
  const state: State = { builder, request, args: {} };
  for (const instruction of chain.flatMap((stage) => stage.instructions)) {
    const handler = handlers[instruction.keyword];
    try {
      if (handler === undefined) throw new Error(`${instruction.keyword} is not known to local packing`);
      await handler(instruction, state);
    } catch (error) {
      throw dockerfileError(request.dockerfile.file, instruction.line, messageOf(error));
    }
  }
}

interface State {
  builder: ImageBuilder;
  request: BuildRequest;
  args: Record<string, string>;
}

function variables({ builder, args }: State): Record<string, string> {
  return { ...args, ...builder.env };
}

type Handler = (instruction: Instruction, state: State) => Promise<void> | void;

const handlers: Record<string, Handler> = {
  ARG: ({ text }, state) => {
    const [name, value = ""] = words(expand(text, variables(state)))[0].split(/=(.*)/s);
    state.args[name] = value;
  },
  ENV: ({ text }, state) => {
    for (const [name, value] of pairs(expand(text, variables(state)))) state.builder.setEnv(name, value);
  },
  LABEL: ({ text }, state) => {
    const labels = Object.fromEntries(pairs(expand(text, variables(state))));
    state.builder.config.Labels = { ...state.builder.config.Labels, ...labels };
  },
  USER: ({ text }, state) => {
    state.builder.config.User = expand(text, variables(state));
  },
  STOPSIGNAL: ({ text }, state) => {
    state.builder.config.StopSignal = expand(text, variables(state));
  },
  EXPOSE: ({ text }, state) => {
    const ports = words(expand(text, variables(state))).map((port) => [port.includes("/") ? port : `${port}/tcp`, {}] as const);
    state.builder.config.ExposedPorts = { ...state.builder.config.ExposedPorts, ...Object.fromEntries(ports) };
  },
  ENTRYPOINT: ({ text }, state) => {
    const command = commandOf(text);
    state.builder.config.Entrypoint = command.length === 0 ? undefined : command;
    // As in Docker: the base's arguments belong to the base's program.
    state.builder.config.Cmd = undefined;
  },
  CMD: ({ text }, state) => {
    state.builder.config.Cmd = commandOf(text);
  },
  WORKDIR: async ({ text }, state) => {
    const path = posix.resolve(state.builder.config.WorkingDir ?? "/", expand(text, variables(state)));
    state.builder.config.WorkingDir = path;
    await state.builder.addLayer(`WORKDIR ${path}`, (staging) => staging.makeFolder(path));
  },
  RUN: async ({ text, flags }, state) => {
    if (Object.keys(flags).length > 0) throw new Error(`RUN --${Object.keys(flags)[0]} is not known to local packing`);
    const { imageName, leaveOut } = state.request;
    await state.builder.addLayer(`RUN ${text}`, (staging) => runLocally(text, { builder: state.builder, staging, imageName, leaveOut }));
  },
  COPY: (instruction, state) => copy(instruction, state),
};

async function copy(instruction: Instruction, state: State): Promise<void> {
  const { builder, request } = state;
  const { folder } = copySource(request, instruction);
  const { sources, target } = copyArguments(request, instruction, variables(state));
  const { chown, chmod } = instruction.flags;
  const into = posix.resolve(builder.config.WorkingDir ?? "/", target);
  await builder.addLayer(`COPY ${instruction.text}`, (staging) => {
    if (chown !== undefined) {
      const [, uid, gid] = /^(\d+)(?::(\d+))?$/.exec(chown) ?? [];
      if (uid === undefined) throw new Error(`--chown=${chown} is not allowed: users and groups are given by number here`);
      staging.own({ uid: Number(uid), gid: Number(gid ?? uid) });
    }
    for (const source of matching(folder, sources)) {
      const file = join(folder, source);
      if (!existsSync(file)) throw new Error(`COPY ${source}: there is no such file in ${instruction.flags.from ?? "the context"}`);
      const named = target.endsWith("/") && !lstatSync(file).isDirectory();
      staging.copy(file, named ? posix.join(into, basename(source)) : into, chmod === undefined ? undefined : parseInt(chmod, 8));
    }
  });
}

/** Where COPY takes files from. */
function copySource(request: BuildRequest, { flags, line }: Instruction): { folder: string; key?: string } {
  const unknown = Object.keys(flags).find((flag) => !["from", "chown", "chmod", "link"].includes(flag));
  if (unknown !== undefined) throw dockerfileError(request.dockerfile.file, line, `COPY --${unknown} is not known to local packing`);
  if (flags.from === undefined) return { folder: request.context };
  const stage = request.stages[flags.from];
  if (stage === undefined) {
    const known = Object.keys(request.stages).join(", ") || "none";
    throw dockerfileError(request.dockerfile.file, line, `COPY --from=${flags.from}: stages that are built locally: ${known}`);
  }
  return stage;
}

function copyArguments(
  { dockerfile, context }: BuildRequest,
  { text, line, flags }: Instruction,
  known: Readonly<Record<string, string>>,
): { sources: string[]; target: string } {
  const all = text.startsWith("[") ? (JSON.parse(text) as string[]) : words(expand(text, known));
  const sources = all.slice(0, -1);
  const target = all[all.length - 1];
  const refuse = (why: string): never => {
    throw dockerfileError(dockerfile.file, line, `COPY ${text}: ${why}`);
  };
  if (sources.length === 0) refuse("a source and a target are needed");
  const several = sources.length > 1 || sources.some((source) => /[*?]/.test(source));
  if (several && !target.endsWith("/")) refuse("several files go into a folder, whose name ends with a slash");
  if (sources.some((source) => /[[\\]|[*?].*\//.test(source))) refuse("of patterns, * and ? in the last part of a path are known");
  if (sources.some((source) => posix.normalize(source).startsWith(".."))) refuse("files outside the context are not allowed");
  if (flags.from === undefined && existsSync(join(context, ".dockerignore"))) refuse("a .dockerignore is not known to local packing");
  return { sources, target };
}

/** The files that sources name, patterns replaced; a pattern that matches nothing stays, and is then missed like any other file. */
function matching(folder: string, sources: readonly string[]): string[] {
  return sources.flatMap((source) => {
    if (!/[*?]/.test(source)) return [source];
    const below = posix.dirname(source);
    const pattern = posix.basename(source).replace(/[.+^${}()|]/g, "\\$&");
    const name = new RegExp(`^${pattern.replace(/\*/g, ".*").replace(/\?/g, ".")}$`);
    const found = existsSync(join(folder, below)) ? readdirSync(join(folder, below)).sort() : [];
    const named = found.filter((one) => name.test(one)).map((one) => posix.join(below, one));
    return named.length === 0 ? [source] : named;
  });
}

/** Hash of a file, or of all files of a folder with their names. Empty where there is none, which building then says. */
export function contentKey(path: string): string {
  const hash = createHash("sha256");
  const add = (file: string, name: string): void => {
    const stat = lstatSync(file);
    if (stat.isSymbolicLink()) hash.update(`l ${name}\0${readlinkSync(file)}\0`);
    else if (stat.isDirectory()) hash.update(`d ${name}\0`);
    else hash.update(`f ${name}\0${(stat.mode & 0o111) === 0 ? "-" : "x"} ${stat.size}\0`).update(readFileSync(file));
  };
  if (!existsSync(path)) return "";
  add(path, "");
  if (lstatSync(path).isDirectory()) for (const { path: below } of pathsBelow(path)) add(join(path, below), below);
  return hash.digest("hex");
}
