/**
 * What routes to gatherers have if nothing is said. When the node of a gatherer dies, Kubernetes takes the pod out of its Service after about 50 seconds
 * (node-monitor-grace-period, Kubernetes 1.32 and later); until then every other request would wait for a connection that never comes.
 */
import { RetryCondition } from "./route-policy-types";
import type { Destination, Retries } from "./route-table";

/**
 * Pods of a gatherer are equal, and a question about a snapshot can be asked twice, because a snapshot never changes: so a request that met a dead pod is
 * tried again, also where its connection broke before an answer came. Three further tries, because a gateway may choose the same pod again.
 */
const gathererRetries: Retries = {
  attempts: 3,
  on: [RetryCondition.ConnectFailure, RetryCondition.RefusedStream, RetryCondition.Reset],
  otherPlace: false,
};

/** Time for a connection to a gatherer, in seconds. Inside of a cluster it takes milliseconds; Linux sends a lost first packet again after one second. */
const gathererConnectSeconds = 1;

/**
 * After three failures in a row a pod is left out for longer than Kubernetes needs to notice. Never more than half of them: errors that all gatherers have,
 * as that of a shard without an owner, must not stop those questions that can be answered. One gatherer alone is never left out.
 */
const gathererOutliers = { consecutiveErrors: 3, intervalSeconds: 5, ejectionSeconds: 60, maxEjectionPercent: 50 };

/** The defaults of destinations that are gatherers. */
export const gathererDefaults = {
  retries: gathererRetries,
  connectTimeoutSeconds: gathererConnectSeconds,
  outlierDetection: gathererOutliers,
} as const;

/** Whether any pod behind a destination can answer any question about its snapshot. */
export function isGatherer(destination: Destination): boolean {
  return destination.kind === "service" && destination.gatherer === true;
}
