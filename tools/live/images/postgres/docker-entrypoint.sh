#!/bin/bash
# Makes the database on the first start, then becomes the server: the variables and the order of steps of the official PostgreSQL image
# (https://github.com/docker-library/postgres/blob/master/17/bookworm/docker-entrypoint.sh), as far as pods use them that run as the server's user.
set -euo pipefail

# NAME, or what the file NAME_FILE holds.
from_file() {
  local name=$1 file_name="$1_FILE"
  if [ -n "${!file_name:-}" ]; then
    if [ -n "${!name:-}" ]; then
      echo "error: $name and $file_name are both set" >&2
      exit 1
    fi
    export "$name"="$(< "${!file_name}")"
    unset "$file_name"
  fi
}

run_init_files() {
  local file
  for file in /docker-entrypoint-initdb.d/*; do
    case "$file" in
      *.sh)
        echo "$0: running $file"
        if [ -x "$file" ]; then "$file"; else . "$file"; fi
        ;;
      *.sql)
        echo "$0: running $file"
        sql -f "$file"
        ;;
      *.sql.gz)
        echo "$0: running $file"
        gunzip -c "$file" | sql
        ;;
      */\*) ;;
      *) echo "$0: ignoring $file" ;;
    esac
  done
}

sql() {
  PGHOST='' PGHOSTADDR='' PGPASSWORD=$POSTGRES_PASSWORD psql -v ON_ERROR_STOP=1 --no-psqlrc --username "$POSTGRES_USER" --no-password \
    --dbname "$POSTGRES_DB" "$@"
}

make_database() {
  local waldir=() method
  if [ -z "${POSTGRES_PASSWORD:-}" ] && [ "${POSTGRES_HOST_AUTH_METHOD:-}" != trust ]; then
    echo "error: the database is new and POSTGRES_PASSWORD is not set" >&2
    exit 1
  fi
  if [ -n "${POSTGRES_INITDB_WALDIR:-}" ]; then waldir=(--waldir "$POSTGRES_INITDB_WALDIR"); fi
  # Split into words on purpose, as the official image does.
  eval 'initdb --username="$POSTGRES_USER" --pwfile=<(printf "%s\n" "${POSTGRES_PASSWORD:-}") "${waldir[@]}" '"${POSTGRES_INITDB_ARGS:-}"
  method=${POSTGRES_HOST_AUTH_METHOD:-$("$@" -C password_encryption)}
  printf '\nhost all all all %s\n' "$method" >> "$PGDATA/pg_hba.conf"
}

if [ "${1:-}" = "" ] || [ "${1#-}" != "$1" ]; then set -- postgres "$@"; fi
if [ "$1" != postgres ]; then exec "$@"; fi
for argument; do
  case "$argument" in -'?' | --help | --describe-config | -V | --version) exec "$@" ;; esac
done

from_file POSTGRES_PASSWORD
from_file POSTGRES_USER
from_file POSTGRES_DB
from_file POSTGRES_INITDB_ARGS
export POSTGRES_USER=${POSTGRES_USER:-postgres}
export POSTGRES_DB=${POSTGRES_DB:-$POSTGRES_USER}

if [ "$(id -u)" = 0 ]; then
  echo "error: the server does not run as root: set runAsUser 999" >&2
  exit 1
fi
mkdir -p "$PGDATA"
chmod 0700 "$PGDATA" || true

if [ -s "$PGDATA/PG_VERSION" ]; then
  echo "PostgreSQL Database directory appears to contain a database; Skipping initialization"
else
  make_database "$@"
  # On its socket only: no client may come in before the init files have run.
  PGUSER=$POSTGRES_USER pg_ctl -D "$PGDATA" -o "$(shift; printf '%q ' "$@") -c listen_addresses='' -p ${PGPORT:-5432}" -w start
  if [ "$POSTGRES_DB" != postgres ]; then
    POSTGRES_DB=postgres sql --set db="$POSTGRES_DB" <<< 'CREATE DATABASE :"db";'
  fi
  run_init_files
  PGUSER=$POSTGRES_USER pg_ctl -D "$PGDATA" -m fast -w stop
  unset PGPASSWORD
  echo "PostgreSQL init process complete; ready for start up."
fi
exec "$@"
