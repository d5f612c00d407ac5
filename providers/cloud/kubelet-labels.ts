/** Labels that a machine may give itself when it joins a cluster. */
import { keyPath, type Problems } from "../../src/model/errors";

/** Kubelet's own rule, `--node-labels` in https://kubernetes.io/docs/reference/command-line-tools-reference/kubelet/: with others it does not start. */
const allowedDomains = /(^|\.)(kubelet|node)\.kubernetes\.io$/;
const reservedDomains = /(^|\.)(kubernetes|k8s)\.io$/;

/** Notes labels with which a machine of a cloud would never join its cluster. */
export function checkKubeletLabels(problems: Problems, path: string, labels: Readonly<Record<string, string>> | undefined): void {
  for (const [key, value] of Object.entries(labels ?? {})) {
    const domain = key.includes("/") ? (key.split("/")[0] ?? "") : "";
    if (reservedDomains.test(domain) && !allowedDomains.test(domain)) {
      problems.add(keyPath(path, key), value, `a machine may not give itself labels of ${domain}; take a domain of your own`);
    }
  }
}
