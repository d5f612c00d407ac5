/** An Envoy that reads listeners (with their routes) and clusters from files, and takes new ones while it serves. */
import { join } from "node:path";
import { sleep, writeAtomic } from "../files";
import { type EnvoyProcess, startEnvoyProcess } from "./envoy";
import { serviceFolder, type ServicePlace, untilServing } from "./services";

/** What it serves, as the API's own JSON. */
export interface EnvoyFiles {
  listeners: readonly object[];
  clusters: readonly object[];
}

/** An Envoy of files. */
export interface EnvoyOfFiles extends EnvoyProcess {
  /** Serves this instead of what was served. Throws where Envoy rejects it; then it goes on serving what it had. */
  load(files: EnvoyFiles): Promise<void>;
}

const parts = [
  // Clusters first: routes must not name one that is not there.
  { name: "clusters", type: "envoy.config.cluster.v3.Cluster", counter: "cluster_manager.cds" },
  { name: "listeners", type: "envoy.config.listener.v3.Listener", counter: "listener_manager.lds" },
] as const;

const fileOf = (place: Pick<ServicePlace, "folder">, name: string, what: string): string =>
  join(serviceFolder(place, name), `${what}.json`);
const fromFile = (path: string): object => ({ path_config_source: { path }, resource_api_version: "V3" });

/** Starts it, serving nothing. `name` begins with `envoy-`. */
export async function startEnvoyOfFiles(place: ServicePlace, binary: string, name: string): Promise<EnvoyOfFiles> {
  const write = (what: string, type: string, resources: readonly object[]): void =>
    writeAtomic(
      fileOf(place, name, what),
      JSON.stringify({ resources: resources.map((resource) => ({ "@type": `type.googleapis.com/${type}`, ...resource })) }),
    );
  for (const part of parts) write(part.name, part.type, []);
  const envoy = await startEnvoyProcess(place, binary, name, (admin) => ({
    admin: { address: { pipe: { path: admin, mode: 0o600 } } },
    node: { id: name, cluster: name },
    dynamic_resources: {
      cds_config: fromFile(fileOf(place, name, "clusters")),
      lds_config: fromFile(fileOf(place, name, "listeners")),
    },
  }));
  await untilServing("envoy", place, [envoy.recorded], async () => (await envoy.stats("lds.update_success")).size > 0);
  const load = async (files: EnvoyFiles): Promise<void> => {
    for (const { name: what, type, counter } of parts) {
      await untilTaken(envoy, counter, () => write(what, type, files[what]));
    }
  };
  return { ...envoy, load };
}

/** Writes a file and waits until Envoy has read it. */
async function untilTaken(envoy: EnvoyProcess, counter: string, write: () => void): Promise<void> {
  const count = async (outcome: string): Promise<number> =>
    (await envoy.stats(`^${counter}.update_${outcome}$`)).get(`${counter}.update_${outcome}`) ?? 0;
  const before = { success: await count("success"), rejected: await count("rejected") };
  write();
  for (const deadline = Date.now() + 30_000; ; await sleep(20)) {
    if ((await count("rejected")) > before.rejected) throw new Error(`Envoy rejects what it is told (${counter}): its log says why`);
    if ((await count("success")) > before.success) return;
    if (Date.now() > deadline) throw new Error(`Envoy has not read the file of ${counter} within 30 s`);
  }
}
