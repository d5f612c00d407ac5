/** Provider settings: which cluster, and how ConfigMaps and Secrets change. */
import { type ConfigureRequest, ConfigureResponse, type DiffRequest, DiffResponse } from "@pulumi/pulumi/proto/provider_pb";
import { errorText } from "../plugin/serve";
import { Client } from "./client";
import { openJournal } from "./journal";
import type { JsonMap } from "./json";
import { type ClusterSettings, loadKubeConfig } from "./kubeconfig";
import { log, type Session } from "./session";
import { fromStruct, toPlain, unknown } from "./wire";

/** Settings that the official provider reads from the environment where the program does not set them. */
const environment: Readonly<Record<string, string>> = {
  enableConfigMapMutable: "PULUMI_K8S_ENABLE_CONFIGMAP_MUTABLE",
  enableSecretMutable: "PULUMI_K8S_ENABLE_SECRET_MUTABLE",
};

const standIn = "compute-mesh's stand-in for the Kubernetes provider is at work (the official plugin is not installed)";

/** @throws Error for settings that this provider cannot honour; a cluster that cannot be reached is a warning here and an error later */
export async function configure(session: Session, request: ConfigureRequest): Promise<ConfigureResponse> {
  log(session, "INFO", "", standIn);
  session.settings = settingsOf(fromStruct(request.getArgs()));
  if (session.settings["enableServerSideApply"] === "false" || session.settings["enableServerSideApply"] === false) {
    throw new Error("enableServerSideApply: false is not supported by the stand-in provider, which has server-side apply only");
  }
  if (session.settings["renderYamlToDirectory"]) {
    throw new Error("renderYamlToDirectory is not supported by the stand-in provider");
  }
  try {
    session.client = await connect(session);
  } catch (error) {
    session.problem = errorText(error);
    log(session, "WARNING", "", `configured Kubernetes cluster is unreachable: ${session.problem}`);
  }
  const home = process.env["PULUMI_HOME"];
  if (home && session.client) {
    session.journal = await openJournal(home, process.env["PULUMI_BACKEND_URL"] ?? "", session.client.server);
  }
  session.defaultNamespace = text(session.settings, "namespace") ?? session.client?.defaultNamespace ?? "default";
  const response = new ConfigureResponse().setAcceptsecrets(true).setSupportspreview(true);
  return response.setSupportsAutonamingConfiguration(true);
}

/** Another cluster replaces every object; anything else in the settings is an update of the provider alone. */
export async function diffConfig(request: DiffRequest): Promise<DiffResponse> {
  const olds = toPlain(fromStruct(request.getOlds()));
  const news = toPlain(fromStruct(request.getNews()));
  const keys = [...new Set([...Object.keys(olds), ...Object.keys(news)])];
  const changed = keys.filter((key) => key !== "version" && JSON.stringify(olds[key]) !== JSON.stringify(news[key]));
  let replaced: string[] = changed.filter((key) => key === "clusterIdentifier");
  if (replaced.length === 0 && !news["clusterIdentifier"]) {
    const [before, after] = await Promise.all([serverOf(olds), serverOf(news)]);
    if (before && after && before !== after) {
      replaced = changed.filter((key) => ["kubeconfig", "context", "cluster"].includes(key));
    }
  }
  return new DiffResponse()
    .setChanges(changed.length > 0 ? DiffResponse.DiffChanges.DIFF_SOME : DiffResponse.DiffChanges.DIFF_NONE)
    .setDiffsList(changed)
    .setReplacesList(replaced);
}

async function connect(session: Session): Promise<Client> {
  if (Object.values(session.settings).includes(unknown)) {
    throw new Error("the provider's configuration is not known yet");
  }
  const client = new Client(await loadKubeConfig(clusterSettings(session.settings)), (warning) => log(session, "WARNING", "", warning));
  await client.request("GET", "/version");
  return client;
}

/** Values arrive as text, or as JSON text where they are nested. */
function settingsOf(args: JsonMap): JsonMap {
  const given = toPlain(args);
  const flat = Object.entries(given).map(([key, value]) => [key, typeof value === "object" ? JSON.stringify(value) : value]);
  const defaults = Object.entries(environment).flatMap(([key, name]) => (process.env[name] ? [[key, process.env[name]]] : []));
  return Object.fromEntries([...defaults, ...flat]) as JsonMap;
}

function clusterSettings(settings: JsonMap): ClusterSettings {
  return { kubeconfig: text(settings, "kubeconfig"), context: text(settings, "context"), cluster: text(settings, "cluster") };
}

async function serverOf(settings: JsonMap): Promise<string | undefined> {
  try {
    return (await loadKubeConfig(clusterSettings(settings))).getCurrentCluster()?.server;
  } catch {
    return undefined;
  }
}

function text(settings: JsonMap, key: string): string | undefined {
  const value = settings[key];
  return typeof value === "string" && value !== "" ? value : undefined;
}
