/**
 * Scripts that make a PostgreSQL in memory durable: continuous archiving with base copies, as in
 * https://www.postgresql.org/docs/17/continuous-archiving.html, on a mounted folder. POSIX shell, only tools of the PostgreSQL image.
 */

/** Archives one finished WAL segment; `$1` is its path, `$2` its name. Succeeds again for a segment that is there already and equal. */
export const archiveScript = `set -eu
target="$STORE_DIRECTORY/wal/$2"
if [ -f "$target" ]; then
  # Archived before a crash could note it, or another server writes here: only the first is harmless.
  exec cmp -s "$1" "$target"
fi
cp "$1" "$target.partial"
sync "$target.partial"
mv "$target.partial" "$target"
`;

/** Fills an empty data directory from the newest base copy; the server then replays the archived WAL. */
export const restoreScript = `set -eu
umask 077
mkdir -p "$STORE_DIRECTORY/wal" "$STORE_DIRECTORY/base"
if [ -s "$PGDATA/PG_VERSION" ]; then
  echo "the data directory is filled: nothing to restore"
  exit 0
fi
newest=$(ls -1 "$STORE_DIRECTORY/base" | grep -v '[.]partial$' | sort | tail -n 1 || true)
if [ -z "$newest" ]; then
  echo "no base copy in $STORE_DIRECTORY: starting empty"
  # WAL without its base is worth nothing, and its names would collide with those of the new database.
  rm -rf "$STORE_DIRECTORY/wal"
  mkdir "$STORE_DIRECTORY/wal"
  exit 0
fi
echo "restoring base copy $newest"
rm -rf "$PGDATA" "$PGDATA.restoring"
cp -R "$STORE_DIRECTORY/base/$newest" "$PGDATA.restoring"
touch "$PGDATA.restoring/recovery.signal"
chmod 0700 "$PGDATA.restoring"
# Renamed last, so that a copy that was interrupted is never taken for a whole one.
mv "$PGDATA.restoring" "$PGDATA"
`;

/**
 * Fetches one archived file for the replay; `$1` is its name, `$2` where it goes. Exit code 1 says that there is no such file, which ends the replay;
 * 127 stops the server (https://www.postgresql.org/docs/17/runtime-config-wal.html#GUC-RESTORE-COMMAND): a store that cannot be reached is no end of the WAL.
 */
export const fetchScript = `set -u
[ -d "$STORE_DIRECTORY/wal" ] || exit 127
[ -f "$STORE_DIRECTORY/wal/$1" ] || exit 1
cp "$STORE_DIRECTORY/wal/$1" "$2" || exit 127
`;

/** Number of base copies that stay; older ones go with the WAL that only they need. */
const keptBases = 2;

/** Makes a base copy as soon as the server answers, then one every `baseIntervalHours`; stops at once when told to. */
export function copyScript(baseIntervalHours: number): string {
  return `set -u
umask 077
trap 'exit 0' TERM INT
pause() { sleep "$1" & wait "$!"; }
base="$STORE_DIRECTORY/base"
copy() {
  id=$(date -u +%Y%m%dt%H%M%Sz)
  rm -rf "$base"/*.partial
  # With its own WAL (-X stream), so that a copy is whole by itself.
  pg_basebackup -h 127.0.0.1 -D "$base/$id.partial" -c fast -X stream --no-password || return 1
  mv "$base/$id.partial" "$base/$id" || return 1
  ls -1 "$base" | sort -r | tail -n +${keptBases + 1} | while read -r old; do rm -rf "\${base:?}/$old"; done
  oldest=$(ls -1 "$base" | sort | head -n 1)
  first=$(sed -n 's/^START WAL LOCATION: .*(file \\([0-9A-F]*\\))$/\\1/p' "$base/$oldest/backup_label")
  pg_archivecleanup "$STORE_DIRECTORY/wal" "$first"
}
while true; do
  # Over TCP, because the server that runs the init files answers on the socket only.
  until pg_isready -q -h 127.0.0.1; do pause 5; done
  if copy; then pause ${baseIntervalHours * 3600}; else echo "the base copy failed; trying again in 60 s" >&2; pause 60; fi
done
`;
}
