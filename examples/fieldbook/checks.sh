# SPDX-License-Identifier: MIT
# What the scripts that drive the field book have in common. They set `program`, and `book` to the
# words that say which book it uses, and begin in a folder of their own.
set -u
here=$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")" && pwd)
trees=$here/../two_devices.jsonl
book=()
unset FIELDBOOK FIELDBOOK_URL

begin_in() {
    rm -rf -- "$1"
    mkdir -p -- "$1"
    cd -- "$1" || exit 1
}

step() { printf '%s\n' "$*"; }
fail() {
    printf 'NOT SO: %s\n-- standard output:\n%s\n-- standard error:\n%s\n' "$*" "$(<out)" "$(<err)"
    exit 1
}

# exits CODE WORDS...: runs the field book, which is to end with the code.
exits() {
    local expected=$1 code=0
    shift
    "$program" "${book[@]}" "$@" >out 2>err </dev/null || code=$?
    ((code == expected)) || fail "fieldbook ${book[*]} $* ended with $code, not $expected"
}
does() { exits 0 "$@"; }
says() { grep -qF -- "$1" out || fail "it says: $1"; }
says_not() { ! grep -qF -- "$1" out || fail "it does not say: $1"; }
complains() { grep -qF -- "$1" err || fail "it complains: $1"; }
