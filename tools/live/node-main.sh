#!/bin/sh
# The first process of one node of a live cluster, in mount, process, host name and network namespaces of its own: mounts what must not be shared with the
# machine or with other nodes, then starts containerd and, once the images are in, kubelet and kube-proxy. When it dies, everything in the node dies.
# Variables: NODE_NAME, NODE_DIR (the node's disk), NODE_LOGS, NODE_DATA (mount point of the data folder), DATA_TMPFS (size or empty), PATH.
set -eu
umask 022
# As an init system would: databases open many files.
ulimit -n "$(ulimit -H -n)" || true
echo "$NODE_NAME" > /proc/sys/kernel/hostname

# Makes the folder $1 one of the node alone: $2 in its place or, without it, an empty one in memory. Where the machine has no such folder, it gets none:
# the folder above becomes one in memory that shows everything it held before.
own_folder() {
  [ -d "$1" ] || show_again "${1%/*}"
  mkdir -p "$1"
  if [ -n "${2-}" ]; then
    mkdir -p "$2"
    mount --bind "$2" "$1"
  else
    mount -t tmpfs -o mode=755 tmpfs "$1"
  fi
}

show_again() {
  # Once is enough.
  case " ${shown-} " in *" $1 "*) return 0 ;; esac
  shown="${shown-} $1"
  before="$NODE_DIR/before"
  mkdir -p "$before"
  mount --rbind "$1" "$before"
  mount -t tmpfs -o mode=755 tmpfs "$1"
  for entry in "$before"/* "$before"/.[!.]*; do
    name="${entry##*/}"
    if [ -L "$entry" ]; then
      cp -P "$entry" "$1/$name"
    elif [ -d "$entry" ]; then
      # mount itself may have made one in /run meanwhile.
      mkdir -p "$1/$name"
      mount --rbind "$entry" "$1/$name"
    elif [ -f "$entry" ]; then
      : > "$1/$name"
      mount --bind "$entry" "$1/$name"
    fi
  done
  umount -l "$before"
}

own_folder /run/containerd
own_folder /var/lib/containerd "$NODE_DIR/containerd"
own_folder /var/lib/kubelet "$NODE_DIR/kubelet"
own_folder /var/lib/cni
own_folder /var/log/pods "$NODE_DIR/pod-logs"
own_folder /var/log/containers "$NODE_DIR/container-logs"
if [ -n "$DATA_TMPFS" ]; then
  own_folder "$NODE_DATA"
  mount -o "remount,size=$DATA_TMPFS" "$NODE_DATA"
else
  own_folder "$NODE_DATA" "$NODE_DIR/data"
fi

# kubelet wants these values and would set them for the whole machine: here it finds them set.
for setting in vm/overcommit_memory=1 vm/panic_on_oom=0 kernel/panic=10 kernel/panic_on_oops=1 kernel/keys/root_maxkeys=1000000 kernel/keys/root_maxbytes=25000000; do
  shown_value="$NODE_DIR/sysctl/${setting%%=*}"
  mkdir -p "${shown_value%/*}"
  echo "${setting#*=}" > "$shown_value"
  mount --bind "$shown_value" "/proc/sys/${setting%%=*}"
done
# Volumes that kubelet mounts must appear inside of containers that run already.
mount --make-rshared /

# What ends is started again, as an init system would.
service() {
  name="$1"
  shift
  while :; do
    "$@" >> "$NODE_LOGS/$NODE_NAME-$name.log" 2>&1 || true
    echo "$name has ended and is started again" >&2
    sleep 1
  done
}

service containerd containerd --config "$NODE_DIR/containerd.toml" &
while [ ! -e "$NODE_DIR/go" ]; do sleep 0.1; done
service kubelet kubelet --config "$NODE_DIR/kubelet.yaml" --kubeconfig "$NODE_DIR/kubelet.kubeconfig" --cert-dir "$NODE_DIR/pki" \
  --hostname-override "$NODE_NAME" --node-ip "$NODE_ADDRESS" --node-labels "$NODE_LABELS" &
service kube-proxy kube-proxy --config "$NODE_DIR/kube-proxy.yaml" &
# A shell that waits also takes away the remains of processes whose parents have ended.
wait
