import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import { chmodSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, utimesSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { ImageBuilder } from "../../../tools/live/images/builder";
import { parseDockerfile } from "../../../tools/live/images/dockerfile";
import { type BuildRequest, inputsOf, interpret } from "../../../tools/live/images/interpret";
import { writeImage } from "../../../tools/live/images/oci";
import { blobPath, readBlob } from "./image-runner";

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "compute-mesh-images-"));
  mkdirSync(join(folder, "context", "app"), { recursive: true });
  mkdirSync(join(folder, "built", "image", "bin"), { recursive: true });
  writeFileSync(join(folder, "context", "app", "main.js"), "main");
  writeFileSync(join(folder, "context", "run.sh"), "#!/bin/sh\n", { mode: 0o775 });
  writeFileSync(join(folder, "built", "image", "bin", "program"), "program", { mode: 0o755 });
  symlinkSync("program", join(folder, "built", "image", "bin", "alias"));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

const dockerfile = `FROM golang AS build
RUN anything at all | goes here

FROM scratch AS v1
ENV VERSION=1 GREETING="hello world"
WORKDIR /srv
COPY --from=build /image /
COPY app lib/
COPY *.sh r?n.sh ./
RUN install -d -o 999 -g 998 -m 1777 /data && install -d -o 999 -g 998 -m 0755 /data/inner && chmod 0700 /data/inner
USER 999:998
EXPOSE 80 53/udp
STOPSIGNAL SIGINT
ENTRYPOINT ["/bin/program"]
CMD ["$VERSION"]

FROM v1 AS v2
ENV VERSION=2 PATH=/srv:$PATH
ENTRYPOINT []
`;

function request(text: string, target?: string): BuildRequest {
  return {
    dockerfile: parseDockerfile(text, "Dockerfile"),
    ...(target === undefined ? {} : { target }),
    context: join(folder, "context"),
    stages: { build: { folder: join(folder, "built"), key: "built-1" } },
    imageName: "test",
    leaveOut: [],
  };
}

let count = 0;

async function build(text: string, target?: string): Promise<{ tar: string; digest: string }> {
  const work = join(folder, `work-${(count += 1)}`);
  mkdirSync(join(work, "layers"), { recursive: true });
  const builder = new ImageBuilder(join(work, "layers"));
  await interpret(request(text, target), builder);
  const tar = join(work, "image.tar");
  const content = { name: "example.com/test:1.0", architecture: "amd64", layers: builder.layers, config: builder.config };
  return { tar, digest: await writeImage(content, tar, join(work, "layout")) };
}

interface Manifest {
  config: { digest: string; size: number };
  layers: { digest: string; size: number }[];
}

function manifestOf(tar: string): Manifest {
  const { manifests } = readBlob<{ manifests: { digest: string; annotations: Record<string, string> }[] }>(tar, "index.json");
  expect(manifests[0].annotations["io.containerd.image.name"]).toBe("example.com/test:1.0");
  return readBlob<Manifest>(tar, blobPath(manifests[0].digest));
}

const bytesOf = (tar: string, path: string): Buffer => execFileSync("tar", ["-xOf", tar, path], { maxBuffer: 1 << 26 });

/** "mode owner path" of everything in a layer. */
function listing(tar: string, layer: { digest: string }): string[] {
  const list = execFileSync("tar", ["-tvf", "-", "--numeric-owner"], { input: bytesOf(tar, blobPath(layer.digest)), encoding: "utf8" });
  return list
    .trimEnd()
    .split("\n")
    .map((line) => line.replace(/^(\S+)\s+(\S+)\s+\d+\s+\S+\s+\S+\s/, "$1 $2 "));
}

describe("an image", () => {
  it("has blobs whose names are their digests, and layers in the order of the instructions", async () => {
    const { tar } = await build(dockerfile, "v1");
    const { config, layers } = manifestOf(tar);
    for (const { digest, size } of [config, ...layers]) {
      const bytes = bytesOf(tar, blobPath(digest));
      expect(`sha256:${createHash("sha256").update(bytes).digest("hex")}`).toBe(digest);
      expect(bytes).toHaveLength(size);
    }
    const described = readBlob<{ rootfs: { diff_ids: string[] }; history: unknown[] }>(tar, blobPath(config.digest));
    expect(described.rootfs.diff_ids).toEqual(layers.map(({ digest }) => digest));
    expect(described.history).toHaveLength(layers.length);
    expect(layers.map((layer) => listing(tar, layer))).toEqual(
      [
        ["drwxr-xr-x 0/0 srv"],
        ["drwxr-xr-x 0/0 bin", "lrwxrwxrwx 0/0 bin/alias -> program", "-rwxr-xr-x 0/0 bin/program"],
        ["drwxr-xr-x 0/0 srv/lib", "-rw-r--r-- 0/0 srv/lib/main.js"],
        ["-rwxr-xr-x 0/0 srv/run.sh"],
        ["drwxrwxrwt 999/998 data", "drwx------ 999/998 data/inner"],
      ].map((lines) => lines.map((line) => line.replace(/^(d\S+ \S+ \S+)$/, "$1/"))),
    );
  });

  it("says how it is started, as the Dockerfile does", async () => {
    const { tar } = await build(dockerfile, "v1");
    expect(readBlob<{ config: unknown }>(tar, blobPath(manifestOf(tar).config.digest)).config).toEqual({
      Env: ["PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "VERSION=1", "GREETING=hello world"],
      WorkingDir: "/srv",
      User: "999:998",
      ExposedPorts: { "80/tcp": {}, "53/udp": {} },
      StopSignal: "SIGINT",
      Entrypoint: ["/bin/program"],
      Cmd: ["$VERSION"],
    });
  });

  it("shares the layers of the stage that it is built on", async () => {
    const [v1, v2] = [await build(dockerfile, "v1"), await build(dockerfile, "v2")];
    expect(manifestOf(v2.tar).layers).toEqual(manifestOf(v1.tar).layers);
    const { config } = readBlob<{ config: { Env: string[]; Entrypoint?: string[]; Cmd?: string[] } }>(
      v2.tar,
      blobPath(manifestOf(v2.tar).config.digest),
    );
    expect(config.Env).toContain("PATH=/srv:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin");
    expect(config.Env).toContain("VERSION=2");
    expect([config.Entrypoint, config.Cmd]).toEqual([undefined, undefined]);
  });

  it("is the same byte for byte whenever and under whatever umask it is packed", async () => {
    const first = await build(dockerfile);
    utimesSync(join(folder, "context", "app", "main.js"), 1, 1);
    chmodSync(join(folder, "context", "app", "main.js"), 0o660);
    const second = await build(dockerfile);
    expect(second.digest).toBe(first.digest);
    expect(readFileSync(second.tar).equals(readFileSync(first.tar))).toBe(true);
  });
});

describe("the inputs of an image", () => {
  it("change with every file that is copied and every instruction, and with nothing else", async () => {
    const before = await inputsOf(request(dockerfile));
    utimesSync(join(folder, "context", "run.sh"), 1, 1);
    writeFileSync(join(folder, "context", "unused"), "x");
    expect(await inputsOf(request(dockerfile))).toBe(before);
    expect(await inputsOf(request(dockerfile.replace("VERSION=1", "VERSION=3")))).not.toBe(before);
    expect(await inputsOf({ ...request(dockerfile), stages: { build: { folder, key: "built-2" } } })).not.toBe(before);
    writeFileSync(join(folder, "context", "other.sh"), "x");
    const withOther = await inputsOf(request(dockerfile));
    expect(withOther).not.toBe(before);
    writeFileSync(join(folder, "context", "app", "more.js"), "x");
    expect(await inputsOf(request(dockerfile))).not.toBe(withOther);
    expect(await inputsOf(request(dockerfile))).not.toBe(before);
  });
});

describe("what cannot be done without a container engine", () => {
  it.each([
    ["FROM alpine:3\n", "Dockerfile:1: FROM alpine:3: this image cannot be had without a registry"],
    ["FROM scratch\nRUN echo a > b\n", 'Dockerfile:2: "echo a > b" cannot be done without a container engine; known are apt-get, chmod'],
    ["FROM scratch\nRUN mkdir -p /a && make\n", 'Dockerfile:2: "make" cannot be done'],
    ["FROM scratch\nRUN apt-get install curl\n", "Dockerfile:2: of apt-get, only update and install -y --no-install-recommends are known"],
    [
      "FROM scratch\nCOPY run.sh /\nRUN chmod +x /run.sh\n",
      "Dockerfile:3: /run.sh is not in the files of this RUN; for copied files there is",
    ],
    ["FROM scratch\nRUN rm -rf /etc/x\n", "Dockerfile:2: /etc/x is not in the files of this RUN"],
    ["FROM scratch\nRUN install -d -o 1 -g 1 /a && install -d -o 2 -g 2 /b\n", "Dockerfile:2: files of 2:2 beside files of 1:1"],
    ["FROM scratch\nRUN install -d -o root -g root /a\n", "Dockerfile:2: root is not allowed: users and groups are given by number"],
    ["FROM scratch\nCOPY */x.sh /\n", "Dockerfile:2: COPY */x.sh /: of patterns, * and ? in the last part"],
    ["FROM scratch\nCOPY ../x /\n", "Dockerfile:2: COPY ../x /: files outside the context"],
    ["FROM scratch\nCOPY missing /\n", "Dockerfile:2: COPY missing: there is no such file in the context"],
    ["FROM scratch\nCOPY --from=other a /\n", "Dockerfile:2: COPY --from=other: stages that are built locally: build"],
    ["FROM scratch\nCOPY --parents a /\n", "Dockerfile:2: COPY --parents is not known"],
    ["FROM scratch\nADD a /\n", "Dockerfile:2: ADD is not known to local packing"],
    ["FROM scratch\n\n\nHEALTHCHECK NONE\n", "Dockerfile:4: HEALTHCHECK is not known to local packing"],
  ])("%j is refused", async (text, message) => {
    await expect(build(text)).rejects.toThrow(message);
  });
});
