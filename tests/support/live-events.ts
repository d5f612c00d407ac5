/** What Kubernetes itself shows of a pod in trouble: Events of its kubelet, readiness, and last words of containers. */
import { eventually } from "./cluster";
import { isReady, type LiveMesh, type Pod } from "./live";
import { ingestReport, logOf, podOn } from "./live-questions";

/** An Event about a pod. */
interface PodEvent {
  reason: string;
  message: string;
  type: string;
}

/** The Events about a pod. One with the same name that came after it has others. */
async function eventsOf(mesh: LiveMesh, pod: Pod): Promise<PodEvent[]> {
  const selector = encodeURIComponent(`involvedObject.uid=${pod.metadata.uid}`);
  const { body } = await mesh.request("GET", `/api/v1/namespaces/${pod.metadata.namespace}/events?fieldSelector=${selector}`);
  return ((body as { items?: PodEvent[] }).items ?? []).map(({ reason, message, type }) => ({ reason, message, type }));
}

/** Waits for a warning of the kubelet about a pod. Throws with all Events that there are. */
async function warningOf(mesh: LiveMesh, pod: Pod, reason: string, pattern: RegExp, seconds: number): Promise<string> {
  let last: PodEvent[] = [];
  return eventually(
    `an Event ${reason} with ${pattern} about ${pod.metadata.name}`,
    async () => {
      last = await eventsOf(mesh, pod);
      return last.find((event) => event.reason === reason && event.type === "Warning" && pattern.test(event.message))?.message;
    },
    seconds,
  ).catch((error: Error) => {
    throw new Error(`${error.message}; there are: ${JSON.stringify(last, undefined, 1)}`);
  });
}

/** A log of JSON with its quotes as they were said. */
export const plain = (log: string): string => log.replaceAll('\\"', '"');

/** Where people look for what is wrong with a container that goes on living. */
interface Said {
  log: string;
  event: string;
  report: string;
}

/** Asserts that ingest of a node says what is wrong: in its log, in an Event of its pod and in its report, and that the pod is not ready. */
export async function expectIngestSays(mesh: LiveMesh, node: string, pattern: RegExp, seconds = 90): Promise<Said> {
  const pod = await podOn(mesh, "ingest", node);
  const event = await warningOf(mesh, pod, "Unhealthy", pattern, seconds);
  const { status, reason } = await ingestReport(mesh, node);
  expect({ status, reason }).toEqual({ status: 503, reason: expect.stringMatching(pattern) });
  const log = plain(await logOf(mesh, pod, "ingest"));
  expect(log).toMatch(pattern);
  await notReady(mesh, pod);
  return { log, event, report: reason };
}

/** Asserts the same of the agent of a node, whose log is written by words of its own. */
export async function expectAgentSays(mesh: LiveMesh, node: string, pattern: RegExp, seconds = 90): Promise<string> {
  const pod = await podOn(mesh, "snapshot", node);
  const event = await warningOf(mesh, pod, "Unhealthy", pattern, seconds);
  expect(plain(await logOf(mesh, pod, "snapshot"))).toMatch(pattern);
  await notReady(mesh, pod);
  return event;
}

async function notReady(mesh: LiveMesh, { metadata, spec }: Pod): Promise<void> {
  const part = metadata.labels["compute-mesh.dev/part"];
  await eventually(
    `${metadata.name} is not ready`,
    async () => (await mesh.pods(`compute-mesh.dev/part=${part}`)).some((one) => one.spec.nodeName === spec.nodeName && !isReady(one)),
    60,
  );
}

/** Deletes the pod of a part on a node, so that another one with Events of its own takes its place. */
export async function replacePod(mesh: LiveMesh, part: string, node: string): Promise<Pod> {
  const old = await podOn(mesh, part, node);
  await mesh.request("DELETE", `/api/v1/namespaces/${old.metadata.namespace}/pods/${old.metadata.name}`);
  return eventually(
    `another pod of ${part} on ${node}`,
    async () => {
      const pod = await podOn(mesh, part, node);
      return pod.metadata.uid !== old.metadata.uid && pod;
    },
    120,
  );
}
