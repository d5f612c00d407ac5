/**
 * Input errors: all of them at once, each with the property path, what was given and what is allowed.
 *
 * A component fills one `Problems` while it normalises its args and throws once, so that a user mends a whole file in one go.
 */

/** One wrong property. */
export interface InputProblem {
  /** Property path from the root of the args, for example `keep.last` or `versions.v2.snapshots[0]`; "" is the args object itself. */
  readonly path: string;
  /** What was given, as text. */
  readonly given: string;
  /** What is allowed, and why where that is not obvious. */
  readonly allowed: string;
}

/** All wrong properties of one subject, as one readable message. */
export class MeshInputError extends Error {
  /** The mark of Pulumi's RunError: a program that ends with this error shows its message alone, and no stack trace. */
  public readonly __pulumiRunError = true;

  public constructor(
    /** What was described wrongly, for example `snapshotGroup "nightly"`. */
    public readonly subject: string,
    public readonly problems: readonly InputProblem[],
  ) {
    super(problems.map((problem) => formatProblem(subject, problem)).join("\n"));
    this.name = "MeshInputError";
  }
}

/** Collects input problems of one subject. */
export class Problems {
  private readonly found: InputProblem[] = [];

  /** @param subject what is described, for example `snapshotGroup "nightly"` */
  public constructor(public readonly subject: string) {}

  /**
   * Notes a wrong property.
   *
   * @param given the value as the user wrote it; never pass a secret here
   * @param allowed what is allowed, for example `at least 1 snapshot must stay`
   */
  public add(path: string, given: unknown, allowed: string): void {
    this.found.push({ path, given: showGiven(given), allowed });
  }

  /** Takes over the problems of a nested check, below `prefix`. */
  public addAll(prefix: string, problems: readonly InputProblem[]): void {
    for (const problem of problems) {
      this.found.push({ ...problem, path: joinPath(prefix, problem.path) });
    }
  }

  public get all(): readonly InputProblem[] {
    return this.found;
  }

  public get any(): boolean {
    return this.found.length > 0;
  }

  /** @throws MeshInputError with every problem noted so far */
  public throwIfAny(): void {
    if (this.any) {
      throw new MeshInputError(this.subject, this.found);
    }
  }
}

/** `a` and `b` → `a.b`; `a` and `[0]` → `a[0]`. Keys that are no identifiers are quoted: `labels["a/b"]`. */
export function joinPath(parent: string, child: string | number): string {
  if (typeof child === "number") {
    return `${parent}[${child}]`;
  }
  if (parent === "") {
    return child;
  }
  return child === "" ? parent : child.startsWith("[") ? `${parent}${child}` : `${parent}.${child}`;
}

/** The path of one key of a map, quoted where the key is not a plain word. */
export function keyPath(parent: string, key: string): string {
  return /^[A-Za-z0-9_-]+$/.test(key) ? joinPath(parent, key) : `${parent}[${JSON.stringify(key)}]`;
}

function formatProblem(subject: string, problem: InputProblem): string {
  const where = problem.path === "" ? subject : `${subject}: ${problem.path}`;
  return `${where}: ${problem.given} is not allowed: ${problem.allowed}`;
}

/** What was given, short enough for one line. */
function showGiven(given: unknown): string {
  if (given === undefined) {
    return "nothing";
  }
  const text = JSON.stringify(given, (_key, value: unknown) => (typeof value === "bigint" ? value.toString() : value)) ?? typeof given;
  return text.length > 120 ? `${text.slice(0, 117)}...` : text;
}
