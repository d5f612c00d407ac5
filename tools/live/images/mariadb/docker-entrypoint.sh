#!/bin/bash
# Makes the database on the first start, then becomes the server: the variables and the order of steps of the official MariaDB image
# (https://github.com/MariaDB/mariadb-docker/blob/master/docker-entrypoint.sh), as far as pods use them that run as the server's user.
set -euo pipefail

# MARIADB_NAME, what the file MARIADB_NAME_FILE holds, or the older MYSQL_NAME.
setting() {
  local name="MARIADB_$1" file_name="MARIADB_$1_FILE" old="MYSQL_$1"
  if [ -n "${!name:-}" ]; then
    printf '%s' "${!name}"
  elif [ -n "${!file_name:-}" ]; then
    printf '%s' "$(< "${!file_name}")"
  else
    printf '%s' "${!old:-}"
  fi
}

# A text as SQL: quotes and backslashes escaped.
quoted() {
  local text=${1//\\/\\\\}
  printf "'%s'" "${text//\'/\\\'}"
}

sql() {
  mariadb --protocol=socket --socket=/run/mysqld/init.sock -uroot "$@"
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
        sql ${database:+"$database"} < "$file"
        ;;
      *.sql.gz)
        echo "$0: running $file"
        gunzip -c "$file" | sql ${database:+"$database"}
        ;;
      */\*) ;;
      *) echo "$0: ignoring $file" ;;
    esac
  done
}

make_database() {
  local root_password user password server waited=0 root_host
  root_password=$(setting ROOT_PASSWORD)
  user=$(setting USER)
  password=$(setting PASSWORD)
  database=$(setting DATABASE)
  if [ -z "$root_password" ] && [ -z "${MARIADB_ALLOW_EMPTY_ROOT_PASSWORD:-}" ] && [ -z "${MARIADB_RANDOM_ROOT_PASSWORD:-}" ]; then
    echo "error: the database is new and none of MARIADB_ROOT_PASSWORD, MARIADB_ALLOW_EMPTY_ROOT_PASSWORD, MARIADB_RANDOM_ROOT_PASSWORD is set" >&2
    exit 1
  fi
  if [ -n "${MARIADB_RANDOM_ROOT_PASSWORD:-}" ]; then
    root_password=$(od -An -N24 -tx1 /dev/urandom | tr -d ' \n')
    echo "GENERATED ROOT PASSWORD: $root_password"
  fi
  mariadb-install-db --datadir="$data" --rpm --auth-root-authentication-method=normal --skip-test-db --skip-name-resolve > /dev/null
  # On its socket only: no client may come in before the init files have run.
  "$@" --skip-networking --socket=/run/mysqld/init.sock &
  server=$!
  until sql -e 'SELECT 1' > /dev/null 2>&1; do
    if ! kill -0 "$server" 2> /dev/null || [ "$waited" -ge 300 ]; then
      echo "error: the server for the init files did not start" >&2
      exit 1
    fi
    sleep 0.2
    waited=$((waited + 1))
  done
  # Roots that nobody asked for, without a password.
  sql -e "DELETE FROM mysql.global_priv WHERE User = 'root' AND Host <> 'localhost'; FLUSH PRIVILEGES"
  if [ -n "$database" ]; then sql -e "CREATE DATABASE IF NOT EXISTS \`${database//\`/\`\`}\`"; fi
  if [ -n "$user" ]; then
    sql -e "CREATE USER $(quoted "$user")@'%' IDENTIFIED BY $(quoted "$password")"
    if [ -n "$database" ]; then sql -e "GRANT ALL ON \`${database//_/\\_}\`.* TO $(quoted "$user")@'%'"; fi
  fi
  run_init_files
  # Last, because everything above comes in without a password.
  if [ -n "$root_password" ]; then
    root_host=$(setting ROOT_HOST)
    root_host="root@$(quoted "${root_host:-%}")"
    sql -e "CREATE USER IF NOT EXISTS $root_host; GRANT ALL ON *.* TO $root_host WITH GRANT OPTION;
      SET PASSWORD FOR $root_host = PASSWORD($(quoted "$root_password"));
      SET PASSWORD FOR root@localhost = PASSWORD($(quoted "$root_password"))"
  fi
  kill -TERM "$server"
  wait "$server"
  echo "MariaDB init process done. Ready for start up."
}

if [ "${1:-}" = "" ] || [ "${1#-}" != "$1" ]; then set -- mariadbd "$@"; fi
if [ "$1" != mariadbd ] && [ "$1" != mysqld ]; then exec "$@"; fi
shift
set -- mariadbd "$@"
if [ "$(id -u)" = 0 ]; then
  echo "error: the server does not run as root: set runAsUser 999" >&2
  exit 1
fi
# As options and option files say; --help ends with an error where the folder is still empty.
settings=$("$@" --verbose --help 2> /dev/null || true)
data=$(sed -n 's/^datadir  *\(.*[^/]\)\/*$/\1/p' <<< "$settings")
mkdir -p "$data"
if [ ! -d "$data/mysql" ]; then make_database "$@"; fi
exec "$@"
