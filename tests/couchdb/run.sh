#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# The CouchDB remote against a real server:
#
#     run.sh PROGRAM FOLDER [FIELDBOOK [CATCH2_OPTION...]]
#
# PROGRAM is couchdb_tests. FOLDER is for what npm installs, and stays. FIELDBOOK is the example; a
# path where nothing is leaves its books out. Without SYNC_COUCH_URL a pouchdb-server is started
# on a free port of 127.0.0.1, and stopped at the end. SYNC_COUCH_URL=http://user:password@host:5984
# names another server, a CouchDB or a cluster: databases with names of their own are made there, and
# tests that need a server to kill are left out.
set -euo pipefail
here=$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")" && pwd)
program=$(realpath -- "$1")
mkdir -p -- "$2"
folder=$(realpath -- "$2")
fieldbook=$(realpath -m -- "${3:-none}")
server=
data=

at_end() {
    if [[ -n $server ]]; then
        kill "$server" 2>/dev/null || true
        wait "$server" 2>/dev/null || true
    fi
    [[ -z $data ]] || rm -rf -- "$data"
}
trap at_end EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

skip() {
    echo "SKIPPED: $*"
    exit 0
}

# What is pinned in package-lock.json, once. Install scripts are not needed, and not run.
has_modules() {
    local lock=$folder/package-lock.json
    command -v node >/dev/null && command -v npm >/dev/null || return 1
    if [[ -e $folder/is_installed ]] && cmp -s "$here/package-lock.json" "$lock"; then return; fi
    rm -f -- "$folder/is_installed"
    cp -- "$here/package.json" "$here/package-lock.json" "$folder"
    echo "Installing pouchdb-server and pouchdb in $folder"
    (cd -- "$folder" && timeout 300 npm ci --ignore-scripts --no-audit --no-fund \
        --fetch-retry-mintimeout=2000 >npm.log 2>&1) || {
        tail -n 5 -- "$folder/npm.log"
        return 1
    }
    touch -- "$folder/is_installed"
}

# Takes whichever port the system has free, and lets nobody in without a login.
start_server() {
    local port
    port=$(node -e 'const s = require("net").createServer().listen(0, "127.0.0.1", () => {
        console.log(s.address().port); s.close() })')
    data=$(mktemp -d)
    echo '{"admins": {"tester": "a secret"}}' >"$data/config.json"
    (cd -- "$data" && exec node "$folder/node_modules/pouchdb-server/bin/pouchdb-server" --in-memory \
        --host 127.0.0.1 --port "$port" --config config.json --no-stdout-logs \
        >"$folder/server.log" 2>&1 </dev/null) &
    server=$!
    SYNC_COUCH_URL=http://tester:a%20secret@127.0.0.1:$port
    for _ in {1..300}; do
        kill -0 "$server" 2>/dev/null || break
        (: </dev/tcp/127.0.0.1/"$port") 2>/dev/null && return
        sleep 0.1
    done
    cat -- "$folder/server.log"
    echo 'pouchdb-server does not start'
    exit 1
}

if has_modules; then
    export SYNC_POUCH_MODULES=$folder
    if [[ -z ${SYNC_COUCH_URL-} ]]; then
        export SYNC_POUCHDB_SERVER=$folder/node_modules/pouchdb-server/bin/pouchdb-server
        start_server
    fi
elif [[ -z ${SYNC_COUCH_URL-} ]]; then
    skip 'there is no node with npm here that reaches its registry, and SYNC_COUCH_URL names no server'
else
    echo 'Without node and npm the witnesses are left out.'
fi
export SYNC_COUCH_URL

if (($# > 3)); then
    "$program" "${@:4}"
else
    "$program" '[memory]'  # in a process that has not used any yet
    "$program" '~[memory]'
fi

if [[ -x $fieldbook ]]; then
    scripts=$here/../../examples/fieldbook
    books=$(mktemp -d)
    url=${SYNC_COUCH_URL%/}/books_$$_$RANDOM
    bash "$scripts/session.sh" "$fieldbook" "${url}_session" "$here/../../README.md" "$books"
    bash "$scripts/two_books.sh" "$fieldbook" "${url}_two" "$books"
    rm -rf -- "$books"
else
    echo 'The field book is not built: its books are left out.'
fi
if [[ -n $server ]] && ! kill -0 "$server" 2>/dev/null; then
    cat -- "$folder/server.log"
    echo 'The server has died of what was sent to it.'
    exit 1
fi
