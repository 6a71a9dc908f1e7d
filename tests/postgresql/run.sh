#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# The recipe of docs/backends.md in a PostgreSQL of its own: a server on a socket in a temporary folder,
# stopped at the end. `./dev sql` runs this; it is no part of ctest.
set -euo pipefail
here=$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")" && pwd)
folder=
as_user=()

at_end() {
    [[ ! -e $folder/data/postmaster.pid ]] ||
        "${as_user[@]}" pg_ctl -D "$folder/data" -m immediate -s stop || true
    [[ -z $folder ]] || rm -rf -- "$folder"
}
trap at_end EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

skip() {
    echo "SKIPPED: $*"
    exit 0
}

# Debian has a folder for each version, and none of them in PATH.
debian=$(printf '%s\n' /usr/lib/postgresql/*/bin | sort -V | tail -n 1)
PATH=$debian:$PATH
for program in initdb pg_ctl psql; do
    command -v "$program" >/dev/null || skip "there is no $program of PostgreSQL here"
done

folder=$(mktemp -d)
if ((EUID == 0)); then  # PostgreSQL does not run as root
    getent passwd postgres >/dev/null || skip 'root needs a user postgres to run PostgreSQL as'
    as_user=(setpriv --reuid postgres --regid postgres --clear-groups)
    chown postgres "$folder"
fi
cd -- "$folder"
"${as_user[@]}" initdb -D "$folder/data" -U tester -A trust -E UTF8 --locale C --no-sync >log
"${as_user[@]}" pg_ctl -D "$folder/data" -l "$folder/data/log" -s -w start \
    -o "-c listen_addresses='' -c unix_socket_directories='$folder' -c fsync=off" || {
    cat -- "$folder/data/log"
    echo 'PostgreSQL does not start'
    exit 1
}
psql --version
psql -X -h "$folder" -U tester -d postgres -f "$here/recipe.sql"
