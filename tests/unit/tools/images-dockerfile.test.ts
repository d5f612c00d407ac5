import { readFileSync } from "node:fs";
import { join } from "node:path";
import { defaultBentoImage } from "../../../src/ingest/stock";
import { clickhouseImage } from "../../../src/engines/clickhouse";
import { postgresImage } from "../../../src/engines/postgres";
import { mariadbImage } from "../../../src/engines/singlestore-mariadb";
import { valkeyImage } from "../../../src/engines/valkey";
import { images } from "../../../tools/live/images/definitions";
import { commandOf, expand, findStage, pairs, parseDockerfile, words } from "../../../tools/live/images/dockerfile";
import { imageTable, packImages } from "../../../tools/live/images";
import { stageChain } from "../../../tools/live/images/interpret";
import { projectRoot } from "../../../tools/paths";

const parse = (text: string): ReturnType<typeof parseDockerfile> => parseDockerfile(text, "Dockerfile");

describe("a Dockerfile", () => {
  it("is read as stages of instructions, each with its line", () => {
    const { stages } = parse(`# comment
ARG TAG=12
FROM image:\${TAG} AS Build
RUN one \\
  # a comment inside
 && two

COPY --from=other --chown=1:2 a b/
from build
CMD ["x"]
`);
    expect(stages.map(({ name, base, line }) => [name, base, line])).toEqual([
      ["build", "image:12", 3],
      [undefined, "build", 9],
    ]);
    expect(stages[0].instructions).toEqual([
      { line: 4, keyword: "RUN", flags: {}, text: "one  && two" },
      { line: 8, keyword: "COPY", flags: { from: "other", chown: "1:2" }, text: "a b/" },
    ]);
    expect(stages[1].instructions).toEqual([{ line: 10, keyword: "CMD", flags: {}, text: '["x"]' }]);
  });

  it("has its stages by name, by number, and the last one by default", () => {
    const dockerfile = parse("FROM a AS v1\nFROM b AS v2\nFROM c\n");
    expect(findStage(dockerfile).base).toBe("c");
    expect(findStage(dockerfile, "V1").base).toBe("a");
    expect(findStage(dockerfile, "1").base).toBe("b");
    expect(() => findStage(dockerfile, "v3")).toThrow('there is no stage "v3": there are v1, v2, 2');
  });

  it.each([
    ["FRON x\n", "Dockerfile:1: FRON is no instruction"],
    ["# only a comment\n", "there is no FROM"],
    ["RUN x\nFROM y\n", "Dockerfile:1: RUN before the first FROM"],
    ["FROM a b\n", "Dockerfile:1: FROM a b"],
    ["FROM a\nRUN cat <<EOF > x\nEOF\n", "Dockerfile:2: here-documents are not read"],
    ["# escape=`\nFROM a\n", "Dockerfile:1: another escape character"],
  ])("%j is refused with its line", (text, message) => {
    expect(() => parse(text)).toThrow(message);
  });
});

describe("values", () => {
  it("are split into words as a shell would", () => {
    expect(words(`a "b c" d='e f' "g\\"h"`)).toEqual(["a", "b c", "d=e f", 'g"h']);
    expect(pairs(`A=1 B="x y" C=`)).toEqual([
      ["A", "1"],
      ["B", "x y"],
      ["C", ""],
    ]);
    expect(pairs("PATH /a b")).toEqual([["PATH", "/a b"]]);
  });

  it("have their variables replaced; an unknown one is empty", () => {
    expect(expand("$A/${A}-${B:-c}-$D-\\$A", { A: "1" })).toBe("1/1-c--$A");
  });

  it("of CMD are a list, or a line for the shell", () => {
    expect(commandOf('["a", "b c"]')).toEqual(["a", "b c"]);
    expect(commandOf("[]")).toEqual([]);
    expect(commandOf("a $b")).toEqual(["/bin/sh", "-c", "a $b"]);
    expect(commandOf("[a]")).toEqual(["/bin/sh", "-c", "[a]"]);
  });
});

describe("the images that can be packed", () => {
  it.each(images)("$name: its base is known and its build stages are made here", ({ dockerfile, target, stages = {} }) => {
    const parsed = parseDockerfile(readFileSync(join(projectRoot, dockerfile), "utf8"), dockerfile);
    const wanted = stageChain(parsed, target)
      .flatMap(({ instructions }) => instructions)
      .flatMap(({ flags }) => (flags.from === undefined ? [] : [flags.from]));
    expect(Object.keys(stages).sort()).toEqual([...new Set(wanted)].sort());
  });

  it("run as a user of their own, by number, but for the databases and the tools, whose pods say which", () => {
    const users = images.map(({ name, dockerfile, target }) => {
      const chain = stageChain(parseDockerfile(readFileSync(join(projectRoot, dockerfile), "utf8"), dockerfile), target);
      return [name, chain.flatMap(({ instructions }) => instructions).find(({ keyword }) => keyword === "USER")?.text] as const;
    });
    expect(Object.fromEntries(users)).toMatchObject({
      "ghcr.io/compute-mesh/agent:0.1.0": "65532:65532",
      "ghcr.io/compute-mesh/ingest:0.1.0": "10001:10001",
      "ghcr.io/compute-mesh/demo-prices:1.4.0": "65532:65532",
      "ghcr.io/warpstreamlabs/bento:1.10.0": "10001:10001",
      "registry.k8s.io/pause:3.10": "65535:65535",
    });
  });

  it("have the names that the components use by default", () => {
    const names = images.map(({ name }) => name);
    expect(names).toEqual(expect.arrayContaining([postgresImage, mariadbImage, valkeyImage, clickhouseImage, defaultBentoImage]));
    expect(new Set(names).size).toBe(names.length);
  });

  it("are listed in the README as they are", () => {
    expect(readFileSync(join(projectRoot, "tools/live/images/README.md"), "utf8")).toContain(imageTable());
  });

  it("are named where another one is asked for", async () => {
    await expect(packImages(["docker.io/library/nginx:1"])).rejects.toThrow(
      /image docker\.io\/library\/nginx:1 cannot be packed here: those that can are .*postgres:17\.6/,
    );
  });
});
