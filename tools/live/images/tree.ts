/** The files of an image under construction: what its layers hold so far, seen as one tree. */
import { type Dirent, lstatSync, readdirSync, readlinkSync } from "node:fs";
import { join, posix } from "node:path";

/** One path of the tree. */
export interface TreeEntry {
  kind: "folder" | "file" | "link";
  /** Where its bytes lie on this machine. */
  source: string;
  /** Of a link. */
  target?: string;
}

/** Every path below a folder, relative to it, each folder before what is inside, in a fixed order. */
export function pathsBelow(folder: string): { path: string; entry: Dirent }[] {
  const found: { path: string; entry: Dirent }[] = [];
  const walk = (below: string): void => {
    const entries = readdirSync(join(folder, below), { withFileTypes: true });
    for (const entry of entries.sort((a, b) => (a.name < b.name ? -1 : 1))) {
      const path = below === "" ? entry.name : `${below}/${entry.name}`;
      found.push({ path, entry });
      if (entry.isDirectory()) walk(path);
    }
  };
  walk("");
  return found;
}

/** The tree of all layers so far. */
export class ImageTree {
  private readonly entries = new Map<string, TreeEntry>();

  /** What is at an absolute path, links in the folders above followed. */
  public get(path: string): TreeEntry | undefined {
    return this.entries.get(this.resolve(path));
  }

  /** The path with all links of its folders followed, without the leading slash; `""` is the root. */
  public resolve(path: string, depth = 0): string {
    if (depth > 40) throw new Error(`${path}: too many links`);
    const parts = posix.normalize(`/${path}`).split("/").filter(Boolean);
    let done = "";
    for (const [index, part] of parts.entries()) {
      const next = done === "" ? part : `${done}/${part}`;
      const entry = this.entries.get(next);
      if (entry?.kind === "link" && index < parts.length - 1) {
        const target = posix.resolve(`/${done}`, entry.target!);
        return this.resolve(posix.join(target, ...parts.slice(index + 1)), depth + 1);
      }
      done = next;
    }
    return done;
  }

  /** Lays a folder over the tree; returns the paths that are new or differ in kind, which is what its layer must hold. */
  public add(folder: string, always: ReadonlySet<string> = new Set()): string[] {
    const paths: string[] = [];
    for (const { path } of pathsBelow(folder)) {
      const source = join(folder, path);
      const stat = lstatSync(source);
      const entry: TreeEntry = stat.isDirectory()
        ? { kind: "folder", source }
        : stat.isSymbolicLink()
          ? { kind: "link", source, target: readlinkSync(source) }
          : { kind: "file", source };
      const before = this.entries.get(path);
      if (before?.kind === "link" && entry.kind === "folder") throw new Error(`/${path} is a link and would become a folder`);
      const same = before?.kind === entry.kind && (entry.kind === "folder" || (entry.kind === "link" && before.target === entry.target));
      if (!same || always.has(path)) paths.push(path);
      if (!same) this.entries.set(path, entry);
    }
    return paths;
  }
}
