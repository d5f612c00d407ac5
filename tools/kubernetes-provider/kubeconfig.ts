/** The kubeconfig as the official provider finds it. */
import type { KubeConfig } from "@kubernetes/client-node/dist/config.js";
import * as fs from "node:fs";
import * as os from "node:os";
import * as path from "node:path";

/** Settings of a `kubernetes.Provider` that choose the cluster. */
export interface ClusterSettings {
  /** The text of a kubeconfig, or the path of one; without it KUBECONFIG, ~/.kube/config, or the pod's service account. */
  kubeconfig?: string;
  context?: string;
  cluster?: string;
}

// The client library is an ES module: `require` of one fails before Node 20.19, and a plain `import()` would be compiled to `require`.
// Only its configuration part is loaded; the generated API classes would cost a second at every start.
// eslint-disable-next-line @typescript-eslint/no-implied-eval -- the one way to a real import() from CommonJS output; the text is constant
const importModule = new Function("name", "return import(name)") as (
  name: string,
) => Promise<typeof import("@kubernetes/client-node/dist/config.js")>;

/** @throws Error when the settings lead to no cluster */
export async function loadKubeConfig(settings: ClusterSettings): Promise<KubeConfig> {
  const { KubeConfig } = await importModule("@kubernetes/client-node/dist/config.js");
  const config = new KubeConfig();
  const text = settings.kubeconfig?.trim();
  const file = text && !text.includes("\n") && !text.startsWith("{") ? text.replace(/^~(?=\/)/, os.homedir()) : undefined;
  if (!text) {
    config.loadFromDefault();
  } else if (file && fs.existsSync(file)) {
    config.loadFromFile(path.resolve(file));
  } else if (file) {
    throw new Error(`there is no kubeconfig at ${file}`);
  } else {
    config.loadFromString(text);
  }
  if (settings.context) {
    if (!config.getContextObject(settings.context)) {
      throw new Error(`context ${JSON.stringify(settings.context)} is not in the kubeconfig`);
    }
    config.setCurrentContext(settings.context);
  }
  const context = config.getContextObject(config.getCurrentContext());
  if (settings.cluster && context) {
    config.contexts = config.contexts.map((each) => (each.name === context.name ? { ...each, cluster: settings.cluster ?? "" } : each));
  }
  if (!config.getCurrentCluster()) {
    throw new Error("the kubeconfig names no active cluster");
  }
  return config;
}
