/**
 * The shell of an ingest pod. Paths can be overridden by environment variables, so that the same text runs in tests.
 *
 * Three containers share `/run/ingest`: `prepare` writes `env` once before anything starts; `watch` keeps it fresh; the engine starts from it.
 */

/** Folder shared by the containers of an ingest pod. */
export const runDirectory = "/run/ingest";
/** Where the settings ConfigMap is mounted. */
export const settingsDirectory = "/etc/ingest";

/**
 * `prepare`: waits for the node's own database (at most `WAIT_SECONDS`), creates missing tables, reads the start offsets of exactly its partitions.
 *
 * `watch`: reads them again every `WATCH_SECONDS`, so that an engine that restarts goes on where the database is. A database in memory comes back
 * empty, or older from a snapshot: then the offsets fall, everything is prepared anew and the file `restart` asks for a new engine.
 */
export const offsetsScript = `#!/bin/sh
set -eu
settings=\${INGEST_SETTINGS:-${settingsDirectory}}
run=\${INGEST_RUN:-${runDirectory}}
node_file=\${NODE_FILE:-/etc/compute-mesh/node.env}

# Where the shard map does not name the node, the kubelet finds no file to mount and makes a directory: such a node has no shards.
if [ -d "$node_file" ]; then
  MESH_NODE=\${NODE_NAME:-unknown}
  MESH_SHARDS=
else
  . "$node_file"
fi

ask() {
  psql -X -q -A -t -v ON_ERROR_STOP=1 "$@"
}

wait_for_database() {
  waited=0
  until pg_isready -q -t 2 && ask -c "SELECT 1" > /dev/null; do
    if [ "$waited" -ge "\${WAIT_SECONDS:-300}" ]; then
      echo "the database at $PGHOST:$PGPORT is not ready after $waited seconds" >&2
      exit 1
    fi
    sleep 2
    waited=$((waited + 2))
  done
}

# Two files, each replaced as a whole, because another container may be reading them.
read_offsets() {
  ask -v "shards={$MESH_SHARDS}" -f "$settings/offsets.sql" > "$run/offsets.next" || return 1
  sed -n 's/^/KAFKA_TOPICS=/;1p' "$run/offsets.next" > "$run/env.next"
  mv "$run/env.next" "$run/env"
  mv "$run/offsets.next" "$run/offsets"
}

progress() {
  sed -n 2p "$run/offsets"
}

prepare() {
  wait_for_database
  ask -f "$settings/tables.sql"
  read_offsets
  echo "mesh node $MESH_NODE, shards \${MESH_SHARDS:-none}: $(cat "$run/env")"
}

# A database that does not answer is waited for, by the engine too; one that answers without all tables is a new one.
database_is_new() {
  complete=$(ask -f "$settings/exist.sql" 2> /dev/null) || return 1
  [ "$complete" = t ] || return 0
  before=$(progress)
  read_offsets 2> /dev/null || return 1
  [ "$(progress)" -lt "$before" ]
}

case "\${1:-}" in
  prepare) prepare ;;
  watch)
    trap 'exit 0' TERM INT
    while :; do
      sleep "\${WATCH_SECONDS:-10}" &
      wait $!
      if database_is_new; then
        echo "the database is another one than before: offsets are read anew and the engine is restarted"
        prepare
        touch "$run/restart"
      fi
    done
    ;;
  *)
    echo "usage: offsets.sh prepare|watch" >&2
    exit 2
    ;;
esac
`;

/** Starts the program, with its own arguments, from the newest offsets. A node without shards gets a configuration that does nothing. */
export function engineScript(command: string): string {
  const [program, ...args] = command.split(" ");
  return `#!/bin/sh
set -eu
settings=\${INGEST_SETTINGS:-${settingsDirectory}}
run=\${INGEST_RUN:-${runDirectory}}
rm -f "$run/restart"
config=config.yaml
grep -q '^KAFKA_TOPICS=.' "$run/env" || config=idle.yaml
exec "\${ENGINE:-${program}}" ${args.join(" ")} -e "$run/env" "$settings/$config"
`;
}

/** Whether the engine may go on: it answers, and nobody asked for a new one. */
export function livenessScript(port: number): string {
  return `[ ! -e ${runDirectory}/restart ] && exec wget -q -T 5 -O /dev/null http://127.0.0.1:${port}/ping`;
}
