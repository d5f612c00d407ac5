/**
 * The programs that run in the mesh: their images and what they promise to whoever starts them. One place for all components.
 *
 * `mesh-ingest run` reads `/etc/ingest/settings.json` and its node and shards from `/etc/compute-mesh/node.env`, credentials from the environment, and
 * answers `/ping`, `/ready` and `/metrics`.
 *
 * `compute-mesh-agent snapshot` reads `/etc/compute-mesh-settings/settings.json` at its start and `retention.json` beside it before every clean-up, its
 * node and shards from `/etc/compute-mesh/node.env`, credentials from the environment, and answers `/healthz`, `/readyz` and `/metrics`.
 */

/** Version of this package; a test compares it with package.json. */
export const packageVersion = "0.1.0";

/** Image of the ingest; it is released together with this package. */
export const defaultIngestImage = `ghcr.io/compute-mesh/ingest:${packageVersion}`;

/** Program and subcommand that ingests. */
export const ingestCommand = ["/mesh-ingest", "run"];

/** Asks the ingest of the own container and says why it is not ready. */
export const ingestReadyCommand = ["/mesh-ingest", "ready"];

/** Image of the agent; it is released together with this package. */
export const defaultAgentImage = `ghcr.io/compute-mesh/agent:${packageVersion}`;

/** Program and subcommand that takes snapshots. */
export const snapshotCommand = ["compute-mesh-agent", "snapshot"];

/** Asks the agent of the own container at `agentPort` and says why it is not ready. */
export const agentReadyCommand = ["compute-mesh-agent-ready"];

/**
 * Waits until the database of the own node shows a snapshot, whose id follows as the last word.
 *
 * After ten minutes it ends with what is missing, and the kubelet starts it again: that is how a pod without probes shows its reason (as the last state
 * of the container), and how it comes to other credentials, which a running container never sees. So rarely, the kubelet starts it again at once.
 */
export const waitCommand = ["compute-mesh-agent", "wait", "--timeout", "600"];

/** Gathers the answers of all shards. */
export const answerCommand = ["compute-mesh-agent", "answer"];

/** Port of the gatherer for questions; its health is at `agentPort`. */
export const answerPort = 8080;

/** Port of `/healthz`, `/readyz` and `/metrics`. */
export const agentPort = 8081;

/** User of the image, and the group that reads mounted keys. */
export const agentUser = 65532;

/** Where the agent finds its files. */
export const agentPaths = {
  settings: "/etc/compute-mesh-settings",
  encryptionKey: "/etc/compute-mesh-key",
  /** Mount of an NFS or node-directory store. */
  store: "/var/lib/compute-mesh/snapshots",
  scratch: "/tmp",
};
