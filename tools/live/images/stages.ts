/** What the build stages of Dockerfiles make, made here from the same sources: Go programs, the agent, the pause program. */
import { execFile } from "node:child_process";
import { createHash } from "node:crypto";
import { cpSync, mkdirSync, readdirSync, statSync, writeFileSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import { promisify } from "node:util";
import { cachedEntry, cacheEntry, lastDuration, recordDuration } from "../../cache";
import { debianRoot } from "../../debian";
import { goBuild } from "../../go-build";
import { findOnPath } from "../../path-lookup";
import { projectRoot } from "../../paths";
import { currentPlatform, type ToolName, type ToolPin } from "../../pins";
import { startProgress } from "../../progress";
import { chdbKey, fetchReferees } from "../../referees";
import { resolveTool } from "../../resolve";
import { contentKey, type StageFiles } from "./interpret";
import { removeOldVersions } from "./old-versions";

const run = promisify(execFile);

/** Makes the files of one stage where they are missing. */
export type MakeStage = () => Promise<StageFiles>;

/** A stage that is kept in the cache under the hash of everything that decides its files. */
async function cachedStage(
  name: string,
  inputs: unknown[],
  make: (root: string, detail: (text: string) => void) => Promise<void>,
): Promise<StageFiles> {
  const { os, arch } = currentPlatform();
  const hash = createHash("sha256").update(JSON.stringify(inputs)).digest("hex").slice(0, 12);
  const prefix = `stage-${name}-${os}-${arch}-`;
  const key = prefix + hash;
  const { dir, made } = await cacheEntry(key, async (folder) => {
    const what = `building ${name}`;
    const began = Date.now();
    const progress = startProgress(what, { lastSeconds: lastDuration(what)?.seconds });
    try {
      await make(join(folder, "root"), (text) => progress.detail(text));
      recordDuration(what, { seconds: (Date.now() - began) / 1000 });
      progress.done();
    } catch (error) {
      progress.fail();
      throw error;
    }
    return { origin: "built", files: ["root"] };
  });
  if (made) removeOldVersions(prefix, key);
  return { folder: join(dir, "root"), key };
}

/** A Go program from a module of this project, static, at `/<program>`. Tests of the module do not count as its content. */
export function goStage(folder: string, program: string, tags?: string): MakeStage {
  return () => {
    const sources = readdirSync(join(projectRoot, folder), { recursive: true, encoding: "utf8" })
      .filter(
        (file) => !/_test\.go$|\.md$|(^|\/)(Dockerfile|testdata)(\/|$)/.test(file) && statSync(join(projectRoot, folder, file)).isFile(),
      )
      .sort()
      .map((file) => [file, contentKey(join(projectRoot, folder, file))]);
    return cachedStage(program, [sources, tags], async (root, detail) => {
      mkdirSync(root);
      const pin: ToolPin = {
        // In messages only.
        name: program as ToolName,
        version: "",
        binaries: [program],
        versionArgs: [],
        go: { folder, packages: ["."], ldflags: "-s -w", ...(tags === undefined ? {} : { tags }) },
        downloads: () => [],
      };
      await goBuild(pin, root, (packages) => detail(`${packages} packages`));
    });
  };
}

/** A pinned tool at `/<binary>`. */
export function toolStage(tool: ToolName): MakeStage {
  return async () => {
    const { binaries } = await resolveTool(tool);
    return cachedStage(tool, Object.values(binaries).map(contentKey), (root) => {
      mkdirSync(root);
      for (const [binary, file] of Object.entries(binaries)) cpSync(file, join(root, binary), { dereference: true });
      return Promise.resolve();
    });
  };
}

/** A stage with the certificates of authorities beside its files, where Debian and the Go image have them. */
export function withCertificates(make: MakeStage): MakeStage {
  return async () => {
    const stage = await make();
    const certificates = await debianRoot("certificates", ["ca-certificates"], { exclude: ["openssl"] });
    return cachedStage("certificates", [stage.key, certificates], (root) => {
      cpSync(stage.folder, root, { recursive: true });
      const folder = join(certificates, "usr/share/ca-certificates/mozilla");
      const target = join(root, "etc/ssl/certs/ca-certificates.crt");
      mkdirSync(dirname(target), { recursive: true });
      return run("sh", ["-c", 'cat "$1"/*.crt > "$2"', "sh", folder, target]).then(() => undefined);
    });
  };
}

/** The agent with the packages that it needs at run time, at `/image`, by the same script as in its Dockerfile. */
export const agentStage: MakeStage = () => {
  const sources = [
    "agent/src",
    "src/model",
    "agent/package.json",
    "agent/tsconfig.json",
    "agent/image-root.sh",
    "agent/ready.sh",
    "package-lock.json",
  ];
  const inputs = sources.map((path) => contentKey(join(projectRoot, path)));
  return cachedStage("agent", inputs, async (root, detail) => {
    const compiled = `${root}.compiled`;
    detail("compiling");
    const tsc = require.resolve("typescript/bin/tsc", { paths: [projectRoot] });
    await run(process.execPath, [tsc, "-p", "agent/tsconfig.json", "--outDir", compiled], { cwd: projectRoot }).catch(
      (error: { stdout?: string; message: string }) => {
        throw new Error(`the agent does not compile: ${error.stdout || error.message}`);
      },
    );
    detail("collecting packages");
    await run("sh", [join("agent", "image-root.sh"), compiled, join(root, "image")], { cwd: projectRoot });
    await run("rm", ["-rf", compiled]);
  });
};

/** The Python package chdb, as the tests beside the clusters use it, at `/site`. */
export const chdbStage: MakeStage = async () => {
  await fetchReferees(["chdb"]);
  const entry = cachedEntry(chdbKey);
  if (entry === undefined) throw new Error("the Python package chdb is not in the cache");
  return { folder: entry.dir, key: chdbKey };
};

/** What `npm ci --omit=dev` installs for the package.json and package-lock.json of a folder, at `/app/node_modules`. */
export function npmStage(name: string, folder: string): MakeStage {
  const files = ["package.json", "package-lock.json"].map((file) => join(projectRoot, folder, file));
  return () =>
    cachedStage(name, files.map(contentKey), async (root) => {
      const app = join(root, "app");
      mkdirSync(app, { recursive: true });
      for (const file of files) cpSync(file, join(app, basename(file)));
      await run("npm", ["ci", "--omit=dev", "--ignore-scripts", "--prefer-offline", "--no-audit", "--no-fund"], { cwd: app });
    });
}

/** The same in Go, where there is no C compiler; a hundred times larger, and does what matters. */
const pauseInGo = `package main

import (
	"os"
	"os/signal"
	"syscall"
)

func main() {
	signals := make(chan os.Signal, 8)
	signal.Notify(signals, syscall.SIGINT, syscall.SIGTERM, syscall.SIGCHLD)
	for received := range signals {
		if received != syscall.SIGCHLD {
			return
		}
		for pid := 1; pid > 0; pid, _ = syscall.Wait4(-1, nil, syscall.WNOHANG, nil) {
		}
	}
}
`;

/** The pause program at `/pause`: in C, else in Go. */
export const pauseStage: MakeStage = () => {
  const source = join(projectRoot, "tools/live/images/pause/pause.c");
  const compiler = findOnPath("cc");
  return cachedStage("pause", [contentKey(source), compiler === undefined ? pauseInGo : "c"], async (root) => {
    mkdirSync(root);
    const output = join(root, "pause");
    if (compiler !== undefined) {
      await run(compiler, ["-Os", "-static", "-s", "-o", output, source]);
      return;
    }
    const folder = `${root}.go`;
    mkdirSync(folder);
    writeFileSync(join(folder, "main.go"), pauseInGo);
    const go = findOnPath("go") ?? "/usr/local/go/bin/go";
    await run(go, ["build", "-trimpath", "-ldflags", "-s -w", "-o", output, "main.go"], {
      cwd: folder,
      env: { ...process.env, CGO_ENABLED: "0", GOWORK: "off" },
    });
    await run("rm", ["-rf", folder]);
  });
};
