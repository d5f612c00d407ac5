/** An image under construction: layers as folders, each with one owner, and the configuration. */
import { chmodSync, cpSync, existsSync, lstatSync, mkdirSync, readFileSync, readlinkSync, rmdirSync, rmSync, symlinkSync } from "node:fs";
import { dirname, join, posix } from "node:path";
import type { ImageConfig, LayerFiles } from "./oci";
import { ImageTree, pathsBelow } from "./tree";

/** Owner of files, numeric. */
export interface Owner {
  uid: number;
  gid: number;
}

/** One layer while it is filled. Paths are absolute paths of the image; links of lower layers are followed. */
export class Staging {
  public owner?: Owner;
  /** Paths that the layer holds even where a lower one has a folder there, because their mode or owner is meant to change. */
  public readonly touched = new Set<string>();

  constructor(
    public readonly folder: string,
    private readonly tree: ImageTree,
  ) {}

  /** Sets the owner of the layer's files; throws where it has another one, because a layer is packed with one. */
  public own(owner: Owner): void {
    if (this.owner !== undefined && (this.owner.uid !== owner.uid || this.owner.gid !== owner.gid)) {
      throw new Error(
        `files of ${owner.uid}:${owner.gid} beside files of ${this.owner.uid}:${this.owner.gid}: put them into a RUN of its own`,
      );
    }
    this.owner = owner;
  }

  /** Where the file goes on this machine; the folders above it exist. */
  public place(path: string): string {
    const file = join(this.folder, this.tree.resolve(path));
    mkdirSync(dirname(file), { recursive: true, mode: 0o755 });
    return file;
  }

  /** Makes a folder and those above it; a mode also changes one that exists. */
  public makeFolder(path: string, mode?: number): void {
    const folder = this.place(path);
    mkdirSync(folder, { recursive: true, mode: 0o755 });
    if (mode === undefined) return;
    chmodSync(folder, mode);
    this.touched.add(this.tree.resolve(path));
  }

  /** The text of a file of this layer or a lower one; empty where there is none. */
  public readText(path: string): string {
    const file = join(this.folder, this.tree.resolve(path));
    const below = this.tree.get(path);
    if (existsSync(file)) return readFileSync(file, "utf8");
    return below?.kind === "file" ? readFileSync(below.source, "utf8") : "";
  }

  public link(target: string, path: string): void {
    const file = this.place(path);
    // A folder that a package ships empty gives way too.
    if (lstatSync(file, { throwIfNoEntry: false })?.isDirectory()) rmdirSync(file);
    rmSync(file, { force: true });
    symlinkSync(target, file);
  }

  /** Copies one file, link or the inside of a folder to `path`. Modes become 755 and 644, whatever the umask of the one who checked them out was. */
  public copy(source: string, path: string, mode?: number): void {
    const stat = lstatSync(source);
    if (stat.isSymbolicLink()) {
      this.link(readlinkSync(source), path);
    } else if (stat.isDirectory()) {
      this.makeFolder(path);
      for (const { path: below, entry } of pathsBelow(source)) {
        if (entry.isDirectory()) this.makeFolder(posix.join(path, below));
        else this.copy(join(source, below), posix.join(path, below), mode);
      }
    } else {
      const file = this.place(path);
      cpSync(source, file);
      chmodSync(file, mode ?? ((stat.mode & 0o111) === 0 ? 0o644 : 0o755));
    }
  }
}

/** Collects layers and configuration. */
export class ImageBuilder {
  public readonly tree = new ImageTree();
  public readonly layers: LayerFiles[] = [];
  public readonly config: ImageConfig = {};
  /** Debian packages that are in the image, so that later ones do not bring them again. */
  public readonly packages: string[] = [];

  /** `work`: an empty folder for the layers, on the disk of the cache. */
  constructor(private readonly work: string) {}

  /** Takes a folder as one layer, as it is. */
  public addFolder(folder: string, createdBy: string, staging?: Staging): void {
    const paths = this.tree.add(folder, staging?.touched);
    if (paths.length > 0) this.layers.push({ folder, paths, createdBy, ...(staging?.owner === undefined ? {} : { owner: staging.owner }) });
  }

  /** Adds what `fill` puts into a new layer; none where that is nothing. */
  public async addLayer(createdBy: string, fill: (staging: Staging) => Promise<void> | void): Promise<void> {
    const folder = join(this.work, String(this.layers.length));
    // Left over from a layer that turned out empty.
    rmSync(folder, { recursive: true, force: true });
    mkdirSync(folder, { recursive: true });
    const staging = new Staging(folder, this.tree);
    await fill(staging);
    this.addFolder(folder, createdBy, staging);
  }

  public get env(): Record<string, string> {
    return Object.fromEntries(
      (this.config.Env ?? []).map((item) => {
        const at = item.indexOf("=");
        return [item.slice(0, at), item.slice(at + 1)];
      }),
    );
  }

  public setEnv(name: string, value: string): void {
    this.config.Env = Object.entries({ ...this.env, [name]: value }).map(([key, text]) => `${key}=${text}`);
  }
}
