#!/bin/sh
# Options, or a configuration file, as the first argument mean the server, as in the official image.
set -e
if [ "${1#-}" != "$1" ] || [ "${1%.conf}" != "$1" ]; then set -- valkey-server "$@"; fi
if [ "$1" = valkey-server ]; then
  if [ "$(id -u)" = 0 ]; then
    echo "error: the server does not run as root: set runAsUser 999" >&2
    exit 1
  fi
  # Split into words on purpose.
  exec "$@" $VALKEY_EXTRA_FLAGS
fi
exec "$@"
