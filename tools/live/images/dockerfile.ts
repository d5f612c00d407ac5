/** Reading Dockerfiles: https://docs.docker.com/reference/dockerfile/. Only what they say; what it means locally is in `interpret.ts`. */

/** One instruction. */
export interface Instruction {
  /** Line of the file where it begins, from 1. */
  line: number;
  /** In capitals. */
  keyword: string;
  /** `--from=build` and the like, in front of the arguments. */
  flags: Record<string, string>;
  /** Everything behind the flags, continued lines joined. */
  text: string;
}

/** One `FROM` with its instructions. */
export interface Stage {
  /** Number in the file, from 0. */
  index: number;
  /** From `AS`. */
  name?: string;
  /** The image or earlier stage that it begins with; variables replaced. */
  base: string;
  line: number;
  instructions: Instruction[];
}

/** A Dockerfile as read. */
export interface Dockerfile {
  /** Path, for errors. */
  file: string;
  stages: Stage[];
}

const keywords = new Set(
  "ADD ARG CMD COPY ENTRYPOINT ENV EXPOSE FROM HEALTHCHECK LABEL MAINTAINER ONBUILD RUN SHELL STOPSIGNAL USER VOLUME WORKDIR".split(" "),
);

/** An error that names the file and the line. */
export function dockerfileError(file: string, line: number, message: string): Error {
  return new Error(`${file}:${line}: ${message}`);
}

/** Splits a Dockerfile into stages. Throws with file and line where it cannot be one, or uses here-documents or another escape character. */
export function parseDockerfile(text: string, file: string): Dockerfile {
  const stages: Stage[] = [];
  const globals: Record<string, string> = {};
  for (const instruction of readInstructions(text, file)) {
    const { keyword, line } = instruction;
    if (keyword === "FROM") {
      const [base, as, name, ...more] = words(expand(instruction.text, globals));
      if (base === undefined || more.length > 0 || (as !== undefined && (as.toUpperCase() !== "AS" || name === undefined))) {
        throw dockerfileError(file, line, `FROM ${instruction.text}: an image, or an image AS a name, is allowed`);
      }
      stages.push({ index: stages.length, ...(name === undefined ? {} : { name: name.toLowerCase() }), base, line, instructions: [] });
    } else if (stages.length > 0) {
      stages[stages.length - 1].instructions.push(instruction);
    } else if (keyword === "ARG") {
      const [name, value = ""] = splitOnce(instruction.text, "=");
      globals[name] = unquote(value);
    } else {
      throw dockerfileError(file, line, `${keyword} before the first FROM`);
    }
  }
  if (stages.length === 0) throw dockerfileError(file, 1, "there is no FROM");
  return { file, stages };
}

/** The stage of that name; the last one where no name is given. */
export function findStage(dockerfile: Dockerfile, name?: string): Stage {
  const { stages } = dockerfile;
  if (name === undefined) return stages[stages.length - 1];
  const found = stages.find((stage) => stage.name === name.toLowerCase() || String(stage.index) === name);
  if (found === undefined) {
    const known = stages.map((stage) => stage.name ?? String(stage.index));
    throw dockerfileError(dockerfile.file, 1, `there is no stage "${name}": there are ${known.join(", ")}`);
  }
  return found;
}

function readInstructions(text: string, file: string): Instruction[] {
  const found: Instruction[] = [];
  const lines = text.split(/\r?\n/);
  for (let index = 0; index < lines.length; index += 1) {
    const begin = index;
    if (/^\s*#\s*escape\s*=/i.test(lines[index])) throw dockerfileError(file, index + 1, "another escape character is not read");
    if (/^\s*(#|$)/.test(lines[index])) continue;
    let joined = lines[index].trimStart();
    while (/\\\s*$/.test(joined)) {
      joined = joined.replace(/\\\s*$/, "");
      // Comments and empty lines inside a continued instruction do not end it.
      do index += 1;
      while (index < lines.length && /^\s*(#|$)/.test(lines[index]));
      if (index >= lines.length) break;
      joined += lines[index];
    }
    found.push(instructionOf(joined.trim(), file, begin + 1));
  }
  return found;
}

function instructionOf(joined: string, file: string, line: number): Instruction {
  const [word, rest = ""] = splitOnce(joined, /\s+/);
  const keyword = word.toUpperCase();
  if (!keywords.has(keyword)) throw dockerfileError(file, line, `${word} is no instruction of a Dockerfile`);
  const flags: Record<string, string> = {};
  let text = rest;
  for (let match = leadingFlag.exec(text); match !== null; match = leadingFlag.exec(text)) {
    flags[match[1]] = match[2] ?? "";
    text = text.slice(match[0].length);
  }
  if ((keyword === "RUN" || keyword === "COPY") && /<<-?["']?\w/.test(text)) {
    throw dockerfileError(file, line, "here-documents are not read");
  }
  return { line, keyword, flags, text };
}

const leadingFlag = /^--([a-z-]+)(?:=(\S*))?\s+/;

function splitOnce(text: string, separator: string | RegExp): [string, string?] {
  const at = typeof separator === "string" ? text.indexOf(separator) : text.search(separator);
  return at < 0
    ? [text]
    : [text.slice(0, at), typeof separator === "string" ? text.slice(at + separator.length) : text.slice(at).trimStart()];
}

function unquote(text: string): string {
  return /^(["']).*\1$/s.test(text) ? text.slice(1, -1) : text;
}

/** Words, quotes removed: `a "b c" d='e f'` → `a`, `b c`, `d=e f`. */
export function words(text: string): string[] {
  return [...text.matchAll(/(?:[^\s"']+|"(?:[^"\\]|\\.)*"|'[^']*')+/g)].map(([word]) =>
    word.replace(
      /"((?:[^"\\]|\\.)*)"|'([^']*)'/g,
      (_, double?: string, single?: string) => double?.replace(/\\(.)/g, "$1") ?? single ?? "",
    ),
  );
}

/** Replaces `$NAME`, `${NAME}` and `${NAME:-default}`; an unknown variable is empty, as in Docker. */
export function expand(text: string, variables: Readonly<Record<string, string>>): string {
  return text.replace(/\\\$|\$(?:(\w+)|\{(\w+)(?::-([^}]*))?\})/g, (whole, plain?: string, braced?: string, fallback?: string) =>
    whole === "\\$" ? "$" : variables[plain ?? braced ?? ""] || fallback || "",
  );
}

/** `NAME=value …` of ENV, LABEL and ARG; the old form `ENV NAME value` too. */
export function pairs(text: string): [string, string][] {
  const all = words(text);
  if (all.length > 0 && !all[0].includes("=")) return [[all[0], text.slice(all[0].length).trim()]];
  return all.map((word) => {
    const [name, value = ""] = splitOnce(word, "=");
    return [name, value];
  });
}

/** The list of CMD and ENTRYPOINT: as JSON, else a line for the shell. */
export function commandOf(text: string): string[] {
  if (text.startsWith("[")) {
    try {
      const list = JSON.parse(text) as unknown;
      if (Array.isArray(list) && list.every((item) => typeof item === "string")) return list;
    } catch {
      // No JSON: Docker takes it as a line for the shell too.
    }
  }
  return ["/bin/sh", "-c", text];
}
