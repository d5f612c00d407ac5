#!/bin/sh
# Options, or nothing, mean the server, as in the published image; anything else is run as it is. Users, databases and init files are up to the caller.
set -e
case "${1:-}" in
  "" | --*) exec clickhouse-server --config-file="$CLICKHOUSE_CONFIG" "$@" ;;
esac
exec "$@"
