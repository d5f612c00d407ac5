/** `npm run live`: a whole mesh of real pods on this machine, with data in it, and a question that it answers. */
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { parse, stringify } from "yaml";
import type { MeshSummary } from "../../src/model/summary";
import { formatSnapshotId } from "../../src/model/snapshot-id";
import { projectRoot } from "../paths";
import { startProgress } from "../progress";
import { pulumiEnvironment } from "../pulumi-env";
import { pulumi, pulumiOutput } from "../pulumi-run";
import { fetchReferees, liveReferees } from "../referees";
import { formatSummary } from "../summary";
import { defaultLiveName, liveDown, liveNode } from "./command";
import { startGateway } from "./gateway";
import { get } from "./get";
import { liveImages, type LiveGround, startLiveGround } from "./mesh";
import { produce } from "./produce";
import { checkLiveRequirements } from "./requirements";
import { liveFolder } from "./state";

const stack = "live";
const stackFile = join(projectRoot, "stacks", "Pulumi.live.yaml");
const namespace = "mesh";
const host = "mesh.example.test";
const gatewayName = "mesh-routes-gateway";
/** So many orders are there before the snapshot. */
const messages = 200_000;
/** Time that the mesh needs to come up, before the snapshot is due. */
const secondsToSnapshot = 60;

const usage = `usage: npm run live                            brings everything up; again: what is missing
       npm run live:down                       removes everything of it
       npm run live:node -- kill|start <node>  a power failure of one node, and its return
       npm run live:node -- status
`;

/** `live up|down|node …`. Returns the exit code. */
export async function liveCommand(argv: string[]): Promise<number> {
  const [verb = "up", ...rest] = argv;
  switch (verb) {
    case "up":
      if (rest.length > 0) break;
      return up();
    case "down":
      return down(rest);
    case "node":
      return liveNode(rest);
    default:
      break;
  }
  process.stderr.write(usage);
  return argv.some((word) => word === "--help" || word === "-h") ? 0 : 2;
}

async function up(): Promise<number> {
  // First of all, because everything else takes minutes.
  await checkLiveRequirements();
  const env = await pulumiEnvironment();
  await fetchReferees(liveReferees);
  const ground = await startGround();
  const config = stackConfig(ground);
  await pulumiOutput(env, ["stack", "select", stack, "--create", "--non-interactive"]);
  say(`Deploying the stack ${stack} (pulumi up) while orders are written ...`);
  const options = ["--stack", stack, "--config-file", config.file, "--yes", "--skip-preview", "--suppress-outputs", "--non-interactive"];
  const [code] = await Promise.all([
    pulumi(env, ["up", ...options]),
    ground.giveStoreKeys(namespace, 600),
    config.fresh ? produce(ground.kafka.hostBrokers, { topic: "orders", messages }) : undefined,
  ]);
  if (code !== 0) {
    return code;
  }
  const port = await openGateway(ground);
  const answer = await firstAnswer(port, config.snapshot);
  const summary = JSON.parse(await pulumiOutput(env, ["stack", "output", "summary", "--stack", stack, "--json"])) as MeshSummary;
  const curl = `curl -s -H 'Host: ${host}' http://127.0.0.1:${port}`;
  process.stdout.write(
    `\n${formatSummary(summary, [
      `${curl}/total`,
      `  ${answer.trim()}`,
      `${curl}/customers          # also /top?k=3, and with -H 'x-mesh-version: v2' /average`,
      `export KUBECONFIG=${ground.cluster.kubeconfig}    # kubectl get pods -n ${namespace}`,
      "npm run live:node -- kill n-2      a power failure; the answer stays complete, because every shard has two owners",
      "npm run live:down                  removes everything of it",
    ])}\n`,
  );
  return 0;
}

async function startGround(): Promise<LiveGround> {
  const progress = startProgress(`starting the live cluster ${defaultLiveName}`);
  try {
    const ground = await startLiveGround({
      name: defaultLiveName,
      region: "local-1",
      nodes: ["a", "b", "c"].map((zone, index) => ({
        name: `n-${index + 1}`,
        zone: `zone-${zone}`,
        labels: { "compute-mesh.dev/pool": "live" },
      })),
      images: liveImages,
      topics: [
        { name: "orders", partitions: 16 },
        { name: "orders-dead", partitions: 1 },
      ],
      crds: ["gateway-api", "kgateway"],
      progress,
    });
    progress.done("ready");
    return ground;
  } catch (error) {
    progress.fail();
    throw error;
  }
}

/** The stack's file with this cluster and a snapshot of the near future; kept beside the cluster, so that a second run changes nothing. */
function stackConfig(ground: LiveGround): { file: string; snapshot: string; fresh: boolean } {
  const file = join(ground.cluster.dir, "Pulumi.live.yaml");
  const kept = existsSync(file) ? (parse(readFileSync(file, "utf8")) as StackFile) : undefined;
  if (kept) {
    return { file, snapshot: snapshotOf(kept), fresh: false };
  }
  const text = readFileSync(stackFile, "utf8");
  const time = new Date(Math.ceil((Date.now() + secondsToSnapshot * 1000) / 60_000) * 60_000);
  const snapshot = formatSnapshotId(time);
  const config = parse(text.replaceAll(snapshotOf(parse(text) as StackFile), snapshot)) as StackFile;
  config.config["compute-mesh:cloud"].existing["kubernetes"] = {
    kubeconfig: ground.cluster.kubeconfig,
    clusterIdentifier: ground.cluster.dir,
  };
  writeFileSync(file, stringify(config), { mode: 0o600 });
  return { file, snapshot, fresh: true };
}

interface StackFile {
  config: {
    "compute-mesh:cloud": { existing: Record<string, unknown> };
    "compute-mesh:mesh": { snapshots: Record<string, { snapshots: string[] }> };
  };
}

const snapshotOf = (file: StackFile): string => Object.values(file.config["compute-mesh:mesh"].snapshots)[0].snapshots[0];

async function openGateway(ground: LiveGround): Promise<number> {
  const progress = startProgress("starting the gateway");
  try {
    const gateway = await startGateway({
      ...ground.place,
      progress,
      access: ground.cluster.access,
      gateway: { namespace, name: gatewayName },
    });
    await gateway.ready();
    progress.done();
    return await ground.cluster.openDoor(`${ground.cluster.address}:8080`);
  } catch (error) {
    progress.fail();
    throw error;
  }
}

/** Waits until the snapshot is taken and every shard answers. */
async function firstAnswer(port: number, snapshot: string): Promise<string> {
  const progress = startProgress(`waiting for a complete answer about snapshot ${snapshot}`);
  for (const deadline = Date.now() + 300_000; ; await sleep(1000)) {
    const answer = await get(port, "/total", { host }, 15_000).then(
      ({ text }) => text,
      (error: Error) => error.message,
    );
    if (answer.includes('"complete":true')) {
      progress.done();
      return answer;
    }
    progress.detail(answer.slice(0, 80));
    if (Date.now() > deadline) {
      progress.fail();
      throw new Error(`no complete answer within 5 minutes; the last one: ${answer}`);
    }
  }
}

/** The cluster goes with everything in it, so the stack's state is dropped, not destroyed step by step. */
async function down(argv: string[]): Promise<number> {
  const code = await liveDown(argv);
  if (code === 0 && !existsSync(liveFolder(defaultLiveName))) {
    const env = await pulumiEnvironment();
    await pulumiOutput(env, ["stack", "rm", stack, "--force", "--preserve-config", "--yes", "--non-interactive"]).catch((error: Error) => {
      if (!/no stack named|not found/.test(error.message)) throw error;
    });
  }
  return code;
}

function say(text: string): void {
  process.stderr.write(`${text}\n`);
}
