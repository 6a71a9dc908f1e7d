#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# Two people with a field book each, one server, and all that can happen between them.
#     two_books.sh PROGRAM URL [FOLDER]
# URL names a database that does not exist yet; it is made, and stays. FOLDER is made anew.
source "$(dirname -- "${BASH_SOURCE[0]}")/checks.sh"
program=$1
url=$2
begin_in "${3:-$(mktemp -d)}"

# ada exits CODE WORDS..., ben does WORDS...: one of the two runs the field book.
ada() { book=(--book ada.db) && "$@"; }
ben() { book=(--book ben.db) && "$@"; }
syncs() { does sync "$url" "$@"; }
has() {
    does show "$1"
    says "$2"
}
are_equal() {
    ada does export ada.jsonl
    ben does export ben.jsonl
    cmp -s ada.jsonl ben.jsonl || fail "both books hold the same: diff $PWD/{ada,ben}.jsonl"
}
# Nobody knows who has to go first, so each goes twice.
sync_both() {
    ada syncs
    ben syncs
    ada syncs
    ben syncs
    are_equal
}

step 'Ada imports and syncs; Ben syncs and has it all'
ada does import "$trees" --id id
ada syncs --create
says '12 sent'
ada syncs
says 'nothing new on either side'
ben syncs
says '12 received'
are_equal

step 'Both edit while they are offline; different parts of a record come together'
ada does set T-001 height_m=19.5 note='seen by Ada'
ben does set T-001 checked=true
ada does tag T-001 +oak
ben does tag T-001 +old
sync_both
ada has T-001 'seen by Ada'
says '#oak #old'
ben has T-001 '"checked": true'

step 'Of the same part, the later edit stays'
ada does set T-002 note='as Ada saw it'
sleep 0.01
ben does set T-002 note='as Ben saw it'
sync_both
ada has T-002 'as Ben saw it'

step 'A deletion travels, stays, and gives way to an edit'
ada does delete T-005
ada does delete T-006
ben does set T-006 note='still needed'
sync_both
ben exits 1 show T-005
ada has T-006 'still needed'
ben does set T-005 note='planted anew'
sync_both
ada has T-005 'planted anew'

step 'By --strategy manual, a person decides'
ada does set T-007 height_m=11
ben does set T-007 height_m=12 leaning=true
ada does delete T-008
ben does set T-008 note='leave it'
ada syncs
ben exits 6 sync "$url" --strategy manual
says '2 conflicts wait for you'
ben does conflicts
says 'T-007'
says 'T-008 was changed here and deleted on the server'
ben does why T-007
says 'height_m: 10.6 -> 12'
says 'height_m: 10.6 -> 11'
ben does resolve T-007 --merged '{"height_m":11.5,"species":"Alnus glutinosa"}'
ben does resolve T-008 --theirs
says 'nothing to send'
sync_both
ada has T-007 '11.5'
ada exits 1 show T-008

step 'Without a connection nothing is lost'
ada does set T-009 note='offline'
ada exits 4 sync http://127.0.0.1:9/elsewhere
ada does pending
says 'T-009'
sync_both
ben has T-009 'offline'

step 'Killed in the middle of a sync, it goes on where it was'
awk 'BEGIN { for (n = 0; n < 3000; ++n) printf "{\"id\":\"k%04d\",\"n\":%d,\"text\":\"%0100d\"}\n", n, n, n }' >many.jsonl
ada does import many.jsonl --id id
for moment in 0.05 0.1 0.2 0.3 0.5 0.8; do
    { timeout -s KILL $moment "$program" --book ada.db sync "$url"; } >out 2>err
    ada does status
    ada does set "k0001" "/seen/$moment=true"
    { timeout -s KILL $moment "$program" --book ben.db sync "$url"; } >out 2>err
    ben does status
    ben does set T-010 "/seen/$moment=true"
done
sync_both
ada does status
says 'Nothing waits.'
[[ $(grep -c '"id":"k' ada.jsonl) == 3000 ]] || fail 'all 3000 are there, each once'
ben has k0001 '"0.8": true'
ada has T-010 '"0.05": true'

step 'Ctrl-C stops a sync at a safe point'
ada does import <(sed 's/"n":/"m":/' many.jsonl) --id id
"$program" --book ada.db sync "$url" >out 2>err </dev/null &
sync=$!
sleep 0.3
kill -INT $sync 2>/dev/null
wait $sync
code=$?
((code == 130 || code == 0)) || fail "it ended with $code, not 130, or 0 where it was too fast"
step "  it ended with $code"
sync_both

step 'A watch shows what others do, while they do it'
"$program" --book ben.db watch "$url" >watch.out 2>&1 </dev/null &
watch=$!
shows() {
    for _ in {1..100}; do
        grep -qF -- "$1" watch.out && return
        sleep 0.1
    done
    cp watch.out out
    kill -INT $watch
    fail "the watch shows: $1"
}
shows 'synced'
ada does set T-011 note='live'
ada does delete T-012
ada syncs
shows 'note: nothing -> "live"'
shows 'T-012 was deleted'
kill -INT $watch
wait $watch || fail 'Ctrl-C ends a watch well'
sync_both

step 'A login that is wrong is said to be, and costs nothing'
if [[ $url == *@* ]]; then
    wrong=${url%%://*}://nobody:wr0ngsecret@${url##*@}
    ada does set T-011 note='kept'
    ada exits 5 sync "$wrong"
    grep -q wr0ng out err && fail 'a password is never shown'
    ada does pending
    says T-011
    sync_both
else
    step '  left out: the URL has no login'
fi

step 'Both books hold the same, and nothing waits.'
