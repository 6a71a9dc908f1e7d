#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# Plays the session that a page shows, and sees that the field book answers so, word for word; times
# may differ. The page is Ada's; Ben does what it says of him.
#     session.sh PROGRAM URL PAGE [FOLDER]
# URL names a database that does not exist yet; it is made, and stays. FOLDER is made anew.
source "$(dirname -- "${BASH_SOURCE[0]}")/checks.sh"
program=$1
url=$2
page=$(realpath -- "$3")
begin_in "${4:-$(mktemp -d)}"
shown_url=http://127.0.0.1:5984/trees
cp -- "$trees" trees.jsonl

fieldbook() { "$program" --book ada.db "$@"; }
ben() { book=(--book ben.db) && does "$@"; }

# The block whose first line is a command.
awk '/^```/ { inside = 0 } inside || (before ~ /^```$/ && /^\$ fieldbook/) { inside = 1; print }
    { before = $0 }' "$page" >shown
# What differs from run to run: times, and where the server is.
without_times() { sed -E 's/[0-9]{4}(-[0-9]{2}){2} [0-9:]{8}, .*/TIME/'; }

while IFS= read -r line; do
    printf '%s\n' "$line"
    [[ $line == '$ fieldbook '* ]] || continue
    if [[ $line == *' set '* ]]; then
        ben sync "$url"
        ben set T-003 height_m=15.4
        ben sync "$url"
    fi
    eval "${line/'$ '/}" 2>&1 </dev/null
done < <(grep '^\$ ' shown | sed "s|$shown_url|$url|") |
    sed "s|$url|$shown_url|; s|$(sed 's|//[^/]*@|//|' <<<"$url")|$shown_url|" >said

diff <(without_times <shown) <(without_times <said) >out 2>err || fail "$page shows what is said"
[[ -s shown ]] || fail "$page shows a session"
step "It answers as the page shows: $(grep -c '^\$ ' shown) commands."
