/** What a machine is told at its first start. */
import type { FullLocalDisk } from "../node-spec";

/** Where nodeadm mounts disks, numbered from 1 (`setup-local-disks mount` of github.com/awslabs/amazon-eks-ami). */
const nodeadmDisks = "/mnt/k8s-disks";

const boundary = "compute-mesh";

/**
 * User data of a machine with local disks; undefined for one without. EKS adds its own part, how to join the cluster
 * (https://docs.aws.amazon.com/eks/latest/userguide/launch-templates.html#launch-template-user-data).
 *
 * nodeadm formats and mounts each disk under its own name (https://awslabs.github.io/amazon-eks-ami/nodeadm/doc/api/#localstorageoptions), after this script
 * has run. So the script leaves units with systemd which bind each mount to the path of the spec as soon as it is there, after a reboot as well.
 */
export function nodeUserData(disks: readonly FullLocalDisk[]): string | undefined {
  if (disks.length === 0) {
    return undefined;
  }
  const config = `apiVersion: node.eks.aws/v1alpha1
kind: NodeConfig
spec:
  instance:
    localStorage:
      strategy: Mount
      mountPath: ${nodeadmDisks}
`;
  return [
    "MIME-Version: 1.0",
    `Content-Type: multipart/mixed; boundary="${boundary}"`,
    "",
    `--${boundary}`,
    "Content-Type: application/node.eks.aws",
    "",
    config,
    `--${boundary}`,
    'Content-Type: text/x-shellscript; charset="us-ascii"',
    "",
    bindScript(disks),
    `--${boundary}--`,
    "",
  ].join("\n");
}

/** Mount paths have been checked: absolute, without spaces and colons. Quotes keep everything else in them plain. */
function bindScript(disks: readonly FullLocalDisk[]): string {
  const quote = (text: string): string => `'${text.replaceAll("'", `'\\''`)}'`;
  return `#!/bin/bash
set -eu
bind_disk() {
  disk="$(systemd-escape --path --suffix=mount "$1")"
  unit="$(systemd-escape --path --suffix=mount "$2")"
  mkdir -p "$2"
  printf '%s\\n' '[Unit]' "BindsTo=$disk" "After=$disk" '[Mount]' "What=$1" "Where=$2" 'Type=none' 'Options=bind' \\
    '[Install]' "WantedBy=$disk" > "\${UNITS:-/etc/systemd/system}/$unit"
  systemctl enable "$unit"
}
${disks.map((disk, index) => `bind_disk ${nodeadmDisks}/${index + 1} ${quote(disk.mountPath)}`).join("\n")}
`;
}
