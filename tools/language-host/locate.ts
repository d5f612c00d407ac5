/** Finding modules and packages the way the program itself would, never from the host's own folder: each program brings its SDK. */
import * as fs from "node:fs";
import { createRequire } from "node:module";
import * as path from "node:path";

export interface PackageManifest {
  name: string;
  version?: string;
  dependencies?: Record<string, string>;
  devDependencies?: Record<string, string>;
  /** Present in SDKs of Pulumi packages. */
  pulumi?: {
    resource?: boolean;
    name?: string;
    version?: string;
    server?: string;
    parameterization?: { name: string; version: string; value: string };
  };
}

/** @throws Error that names the remedy when the SDK is not installed in `directory` */
export function locate(module: string, directory: string, remedy: string): string {
  try {
    return createRequire(path.join(directory, "program.js")).resolve(module);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "MODULE_NOT_FOUND") {
      throw error;
    }
    throw new Error(`the Pulumi SDK is not installed in ${directory}: run ${remedy}`);
  }
}

/** Every package in the `node_modules` folders that the program sees; the nearest wins. */
export function visiblePackages(directory: string): PackageManifest[] {
  const found = new Map<string, PackageManifest>();
  for (const folder of moduleFolders(directory)) {
    for (const name of packageNames(folder)) {
      const manifest = found.has(name) ? undefined : readManifest(path.join(folder, name));
      if (manifest) {
        found.set(name, manifest);
      }
    }
  }
  return [...found.values()];
}

/** The installed packages that the program's own package.json (or that of the folder above it) names. */
export function directPackages(directory: string): PackageManifest[] {
  const own = upwards(directory)
    .map(readManifest)
    .find((manifest) => manifest !== undefined);
  const names = Object.keys({ ...own?.dependencies, ...own?.devDependencies });
  const folders = moduleFolders(directory);
  return names.flatMap((name) => {
    const manifests = folders.map((folder) => readManifest(path.join(folder, name)));
    return manifests.find((manifest) => manifest !== undefined) ?? [];
  });
}

function moduleFolders(directory: string): string[] {
  return upwards(directory).map((folder) => path.join(folder, "node_modules"));
}

function upwards(directory: string): string[] {
  const parent = path.dirname(directory);
  return parent === directory ? [directory] : [directory, ...upwards(parent)];
}

function packageNames(folder: string): string[] {
  return list(folder).flatMap((name) =>
    name.startsWith("@") ? list(path.join(folder, name)).map((scoped) => `${name}/${scoped}`) : [name],
  );
}

function list(folder: string): string[] {
  return fs.existsSync(folder) ? fs.readdirSync(folder).filter((name) => !name.startsWith(".")) : [];
}

function readManifest(folder: string): PackageManifest | undefined {
  try {
    const manifest = JSON.parse(fs.readFileSync(path.join(folder, "package.json"), "utf8")) as Partial<PackageManifest>;
    return typeof manifest.name === "string" ? (manifest as PackageManifest) : undefined;
  } catch {
    return undefined;
  }
}
