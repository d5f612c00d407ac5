/**
 * What a mesh of real pods needs around it: a live cluster with the images imported, Kafka and an object store beside it. One function for `npm run live`
 * and for the tests, so that what users see is what is tested.
 */
import { type CrdSet, installCrds } from "../crds";
import { sleep } from "../files";
import { apiClient } from "../kubeconfig";
import { formatSeconds, silentProgress } from "../progress";
import { type LiveCluster, type LiveOptions, startLiveCluster } from "./cluster";
import { packImages } from "./images";
import { createTopics, type KafkaService, startKafka, type TopicSpec } from "./kafka";
import { type ObjectStoreService, startObjectStore } from "./object-store";
import { type ServicePlace, stopServices, type Target } from "./services";
import { dnsImage, pauseImage } from "./state";

/** Ports of the services at the address of the control plane; the stack `live` names them. */
export const kafkaPort = 9092;
export const storePort = 9000;
export const snapshotBucket = "mesh-snapshots";

/** Name of the Secret with the keys of the object store. */
export const storeSecretName = "object-store";

/** Images of the stack `live` and of the cluster itself. */
export const liveImages = [
  pauseImage,
  dnsImage,
  "docker.io/library/postgres:17.6",
  "docker.io/curlimages/curl:8.11.1",
  "ghcr.io/compute-mesh/agent:0.1.0",
  "ghcr.io/compute-mesh/ingest:0.1.0",
  "ghcr.io/compute-mesh/demo-prices:1.4.0",
  "ghcr.io/compute-mesh/demo-prices:2.0.0",
];

export interface LiveGroundOptions extends Omit<LiveOptions, "images"> {
  /** Topics that are made. */
  topics: readonly TopicSpec[];
  /** Names of the images that the nodes import. */
  images: readonly string[];
  /** CRDs that are installed. Default: none. */
  crds?: readonly CrdSet[];
}

/** Where a mesh can be deployed. */
export interface LiveGround {
  cluster: LiveCluster;
  kafka: KafkaService;
  store: ObjectStoreService;
  place: ServicePlace;
  /** Makes the Secret with the store's keys in a namespace, as soon as that is there. Gives up after `seconds`. Default: 120. */
  giveStoreKeys(namespace: string, seconds?: number): Promise<void>;
  /** Ends everything and removes it. */
  stop(): Promise<void>;
}

/** Starts what is missing; what runs already is left as it is. */
export async function startLiveGround(options: LiveGroundOptions): Promise<LiveGround> {
  const progress = options.progress ?? silentProgress;
  progress.detail("images");
  const images = await packImages([...options.images]);
  const cluster = await startLiveCluster({ ...options, images: Object.values(images) });
  const place: ServicePlace = {
    prefix: cluster.inNamespace,
    address: cluster.address,
    folder: cluster.dir,
    progress,
    openDoor: ({ host, port }: Target) => cluster.openDoor(`${host}:${port}`),
  };
  try {
    const [kafka, store] = await Promise.all([
      startKafka({ ...place, port: kafkaPort }),
      startObjectStore({ ...place, port: storePort, buckets: [snapshotBucket] }),
    ]);
    await installCrds(cluster.access, [...(options.crds ?? [])]);
    progress.detail("topics");
    await createTopics(kafka.hostBrokers, options.topics);
    return {
      cluster,
      kafka,
      store,
      place,
      giveStoreKeys: (namespace, seconds = 120) => giveStoreKeys(cluster, store, namespace, seconds),
      stop: async () => {
        await stopServices(cluster.dir, 0);
        await cluster.stop();
      },
    };
  } catch (error) {
    await stopServices(cluster.dir, 0);
    throw error;
  }
}

async function giveStoreKeys(cluster: LiveCluster, store: ObjectStoreService, namespace: string, seconds: number): Promise<void> {
  const text = (value: string): string => Buffer.from(value).toString("base64");
  const secret = {
    apiVersion: "v1",
    kind: "Secret",
    metadata: { name: storeSecretName, namespace },
    data: { accessKeyId: text(store.keys.accessKey), secretAccessKey: text(store.keys.secretKey) },
  };
  const client = apiClient(cluster.access);
  try {
    for (const deadline = Date.now() + seconds * 1000; ; await sleep(500)) {
      const { status } = await client.request("POST", `/api/v1/namespaces/${namespace}/secrets`, secret);
      if (status < 300 || status === 409) return;
      if (Date.now() > deadline) {
        throw new Error(`the namespace ${namespace} took no Secret within ${formatSeconds(seconds)}: the API server answered ${status}`);
      }
    }
  } finally {
    client.close();
  }
}
