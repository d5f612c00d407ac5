/** Waiting until nodes are of use. */
import { messageOf, sleep } from "../files";
import type { ApiRequest } from "../kubeconfig";
import { logTail } from "../processes";
import { dnsReadyOn, isBefore } from "./dns";
import { nodeInit, nodeStartedAt } from "./node";
import { livePaths, type LiveNodeState } from "./state";

const readyMilliseconds = 180_000;

/** A Node object as far as we read it. */
interface NodeObject {
  metadata: { name: string };
  status?: { conditions?: { type: string; status: string; message?: string; lastHeartbeatTime?: string }[] };
}

/** Why a node that was started at `since` (ISO time) is of no use yet; undefined where it is Ready. */
export function notReadyReason(object: NodeObject | undefined, since: string): string | undefined {
  if (!object) return "not registered";
  const ready = object.status?.conditions?.find(({ type }) => type === "Ready");
  // A node that was killed a moment ago counts as Ready still: only what its new kubelet says is of interest.
  if (!ready || isBefore(ready.lastHeartbeatTime, since)) return "no word of it yet";
  return ready.status === "True" ? undefined : (ready.message ?? ready.status);
}

/** Waits until each node is Ready and its DNS answers. Throws with the end of its logs where a node ends or takes too long. */
export async function waitForNodes(
  dir: string,
  nodes: readonly LiveNodeState[],
  request: ApiRequest,
  say: (text: string) => void,
): Promise<void> {
  const deadline = Date.now() + readyMilliseconds;
  const { logs } = livePaths(dir);
  for (;;) {
    let waiting: string[];
    try {
      waiting = await notReady(dir, nodes, request);
    } catch (error) {
      waiting = [messageOf(error)];
    }
    if (waiting.length === 0) return;
    say(`${nodes.length - waiting.length} of ${nodes.length} nodes ready`);
    const ended = nodes.find((node) => nodeInit(dir, node) === undefined);
    if (ended) throw new Error(`the node ${ended.name} ended; ${logTail(logs, `node-${ended.name}`)}`);
    if (Date.now() > deadline) {
      const tails = nodes.map((node) => logTail(logs, `${node.name}-kubelet`, 4)).join("\n");
      throw new Error(`not ready within ${readyMilliseconds / 1000} s: ${waiting.join("; ")}\n${tails}`);
    }
    await sleep(200);
  }
}

async function notReady(dir: string, nodes: readonly LiveNodeState[], request: ApiRequest): Promise<string[]> {
  const { status, body } = await request("GET", "/api/v1/nodes");
  if (status !== 200) return [`nodes cannot be listed: HTTP ${status}`];
  const objects = (body as { items: NodeObject[] }).items;
  const dns = await dnsReadyOn(request);
  return nodes.flatMap((node) => {
    const since = nodeStartedAt(dir, node) ?? new Date().toISOString();
    const reason =
      notReadyReason(
        objects.find((object) => object.metadata.name === node.name),
        since,
      ) ?? dns(node.name, since);
    return reason === undefined ? [] : [`${node.name}: ${reason}`];
  });
}
