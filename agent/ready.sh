#!/bin/bash
# Asks the agent of this container whether it is ready, and says why it is not: compute-mesh-agent-ready [port]
# For a readiness probe: the kubelet's Event of a failed command has what the command wrote, while that of an HTTP probe has the status alone
# (https://issue.k8s.io/99425). In bash, which reaches ports by itself, because Node.js would take 50 ms of a CPU and 40 MB every few seconds.
set -u
port=${1:-8081}
if ! { exec 3<> "/dev/tcp/127.0.0.1/$port"; } 2> /dev/null; then
  echo "the agent does not listen on port $port"
  exit 1
fi
printf 'GET /readyz HTTP/1.0\r\n\r\n' >&3
status='no answer'
read -r -t 3 _ status _ <&3
while read -r -t 3 line <&3 && [ "$line" != $'\r' ]; do :; done
# One line, and no longer than an Event of Kubernetes may be.
mapfile -t -u 3 reasons
text=$(printf '%s; ' "${reasons[@]:-status $status}")
text=${text%; }
printf '%s\n' "${text:0:900}"
[ "$status" = 200 ]
