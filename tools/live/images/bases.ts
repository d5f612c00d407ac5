/** The base images that local packing knows, each made of what is on this machine or in its distribution. */
import { execFile } from "node:child_process";
import { chmodSync, createReadStream, mkdirSync, readdirSync, realpathSync, writeFileSync } from "node:fs";
import { createHash } from "node:crypto";
import { join } from "node:path";
import { promisify } from "node:util";
import { debianRoot } from "../../debian";
import type { ImageBuilder, Staging } from "./builder";
import { addPackages } from "./run-forms";

const defaultPath = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/** One base. */
export interface Base {
  /** Which images of a Dockerfile's FROM it stands for. */
  pattern: RegExp;
  /** What it is locally, for the table. */
  what: string;
  /** What decides its content, besides this file. */
  key: () => Promise<string>;
  make: (builder: ImageBuilder) => Promise<void>;
}

/** Of Debian's slim image, what programs and scripts use; apt and dpkg are not there. libstdc++ is there because apt brings it. */
export const slimPackages = [
  "base-files",
  "base-passwd",
  "bash",
  "coreutils",
  "dash",
  "debianutils",
  "diffutils",
  "findutils",
  "grep",
  "gzip",
  "hostname",
  "libc-bin",
  "libstdc++6",
  "mawk",
  "sed",
  "tar",
  "tzdata",
];

/** What base images have besides files of packages. */
function addCommonFolders(staging: Staging): void {
  staging.makeFolder("/tmp", 0o1777);
  staging.makeFolder("/var/tmp", 0o1777);
  staging.makeFolder("/root", 0o700);
  for (const path of ["/dev", "/proc", "/sys", "/run", "/home", "/etc"]) staging.makeFolder(path);
}

async function addDebian(builder: ImageBuilder): Promise<void> {
  await builder.addLayer("files of Debian packages", async (staging) => {
    await addPackages({ builder, staging, imageName: "slim", leaveOut: [] }, slimPackages);
    addCommonFolders(staging);
    staging.makeFolder("/run/lock", 0o1777);
    // Made by a maintainer script of base-files.
    staging.link("/run", "/var/run");
    staging.link("/run/lock", "/var/lock");
  });
  builder.setEnv("PATH", defaultPath);
  builder.config.Cmd = ["bash"];
}

const slim: Base = {
  pattern: /^(docker\.io\/(library\/)?)?debian:bookworm(-[0-9]+)?-slim$/,
  what: "the packages of this machine's Debian that a slim image has, without apt and dpkg",
  key: () => Promise.resolve(slimPackages.join()),
  make: addDebian,
};

const node: Base = {
  pattern: /^(docker\.io\/(library\/)?)?node:\d+(\.\d+)*-bookworm-slim$/,
  what: "debian:bookworm-slim and the Node.js that runs the tools",
  key: async () => `${slimPackages.join()} ${await fileHash(realpathSync(process.execPath))}`,
  make: async (builder) => {
    await addDebian(builder);
    await builder.addLayer("Node.js", (staging) => {
      staging.copy(realpathSync(process.execPath), "/usr/local/bin/node");
      staging.link("node", "/usr/local/bin/nodejs");
    });
    builder.setEnv("NODE_VERSION", process.versions.node);
    builder.config.Cmd = ["node"];
  },
};

const busybox: Base = {
  pattern: /^(docker\.io\/(library\/)?)?busybox:1(\.\d+)*(-musl|-glibc|-uclibc)?$/,
  what: "Debian's busybox-static with a link for every applet",
  key: () => Promise.resolve("busybox-static"),
  make: async (builder) => {
    const root = await debianRoot("busybox", ["busybox-static"]);
    await builder.addLayer("busybox-static", async (staging) => {
      const program = join(root, "usr/bin/busybox");
      staging.copy(program, "/bin/busybox");
      const { stdout } = await promisify(execFile)(program, ["--list"]);
      for (const applet of stdout.split("\n").filter((name) => name !== "" && name !== "busybox"))
        staging.link("busybox", `/bin/${applet}`);
      addCommonFolders(staging);
      addUsers(staging, ["nobody:65534:65534:/home"]);
    });
    builder.setEnv("PATH", defaultPath);
    builder.config.Cmd = ["sh"];
  },
};

const distroless: Base = {
  pattern: /^gcr\.io\/distroless\/static(-debian12)?(:nonroot|:latest)?$/,
  what: "certificates, time zones and users of Debian's packages; no program",
  key: () => Promise.resolve("ca-certificates tzdata"),
  make: async (builder) => {
    await builder.addLayer("certificates and time zones", async (staging) => {
      const leaveOut = ["libc6", "openssl"];
      await addPackages({ builder, staging, imageName: "distroless-static", leaveOut }, ["ca-certificates", "tzdata"]);
      addCommonFolders(staging);
      addUsers(staging, ["nobody:65534:65534:/nonexistent", "nonroot:65532:65532:/home/nonroot"]);
      mkdirSync(join(staging.folder, "home/nonroot"), { recursive: true });
    });
    builder.setEnv("PATH", defaultPath);
    builder.setEnv("SSL_CERT_FILE", "/etc/ssl/certs/ca-certificates.crt");
  },
};

const scratch: Base = {
  pattern: /^scratch$/,
  what: "nothing",
  key: () => Promise.resolve(""),
  make: (builder) => {
    builder.setEnv("PATH", defaultPath);
    return Promise.resolve();
  },
};

/** All of them. */
export const bases: readonly Base[] = [slim, node, busybox, distroless, scratch];

/** The base that stands for an image; undefined where none does. A digest behind the tag says nothing to us. */
export function findBase(image: string): Base | undefined {
  const bare = image.replace(/@sha256:[0-9a-f]{64}$/, "");
  const base = bases.find(({ pattern }) => pattern.test(bare));
  if (base === distroless && bare.endsWith(":nonroot")) {
    return { ...base, make: (builder) => base.make(builder).then(() => void (builder.config.User = "65532")) };
  }
  return base;
}

function addUsers(staging: Staging, users: readonly string[]): void {
  const entries = ["root:0:0:/root", ...users].map((user) => user.split(":"));
  const passwd = entries.map(
    ([name, uid, gid, home]) => `${name}:x:${uid}:${gid}:${name}:${home}:${name === "root" ? "/bin/sh" : "/sbin/nologin"}\n`,
  );
  const group = entries.map(([name, , gid]) => `${name}:x:${gid}:\n`);
  writeFileSync(staging.place("/etc/passwd"), passwd.join(""));
  writeFileSync(staging.place("/etc/group"), group.join(""));
  for (const file of readdirSync(join(staging.folder, "etc"))) {
    if (file === "passwd" || file === "group") chmodSync(join(staging.folder, "etc", file), 0o644);
  }
}

async function fileHash(file: string): Promise<string> {
  const hash = createHash("sha256");
  for await (const chunk of createReadStream(file)) hash.update(chunk as Buffer);
  return hash.digest("hex");
}
