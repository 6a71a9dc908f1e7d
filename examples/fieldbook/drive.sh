#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# Uses the field book as a person would who has no network, and sees that it does what it says.
#     drive.sh PROGRAM CMAKE FOLDER
source "$(dirname -- "${BASH_SOURCE[0]}")/checks.sh"
program=$1
cmake=$2
unset FIELDBOOK_PASSWORD
begin_in "$3"

# json PATH VALUE: what the last command wrote is JSON, with that value at the path.
json() {
    local value
    value=$("$cmake" "-Dfile=out" "-Dpath=$1" -P "$here/json_value.cmake" 2>/dev/null) ||
        fail "there is a $1 in the JSON"
    [[ $value == "$2" ]] || fail "$1 is $2, not $value"
}

step 'A command line that makes no sense is told what is wrong with it'
exits 2
complains 'a command is missing'
exits 2 frobnicate
complains '"frobnicate" is no command'
exits 2 list --colour
exits 2 set T-001
exits 2 resolve T-001 --ours --theirs
exits 2 sync ftp://example.org/trees
complains 'http://'
exits 2 sync http://ada:s%zzcret@example.org/trees
grep -q cret err && fail 'a login is never shown'
does --help
says 'Exit codes:'
does set --help

step 'Looking for a book where there is none makes none'
exits 4 list
complains 'there is no book "fieldbook.db"'
[[ ! -e fieldbook.db ]] || fail 'there is no file'

step 'An import is all or nothing, and names the lines that are wrong'
printf '{"id":"a","n":1}\n{"n":2}\n\n{"id":"a"}\n{"id":\n[]\n' >bad.jsonl
exits 3 import bad.jsonl --id id
complains 'bad.jsonl:2: there is no "id"'
complains 'bad.jsonl:4: the id "a" is taken by line 1'
complains 'bad.jsonl:5: JSON text ends too early'
complains 'bad.jsonl:6: this is a list'
complains 'Nothing was imported.'
[[ ! -e fieldbook.db ]] || fail 'nothing was imported'
exits 3 import bad.jsonl
complains '--id'
exits 3 import nowhere.jsonl --id id
complains '"nowhere.jsonl" cannot be read'
does import "$trees" --id id
says '12 new'
does --json import "$trees" --id id
json new 0
json changed 0
json unchanged 12
does --json pending
json 0.local.version 1

step 'Records are read, edited, tagged and deleted'
does set T-003 height_m=15.6 place.row=4 notes.-='cut back' /a.b=null
says 'height_m: 15.2 -> 15.6'
says '/a.b: nothing -> null'
does --json show T-003
json data.place.row 4
json data.notes.1 'cut back'
json version 2
does set T-003 height_m=15.6
says 'nothing was changed'
does unset T-003 /a.b notes.0
exits 1 unset T-003 nothing.like.it
exits 3 set T-003 height_m.top=1 note=lost
complains 'height_m is a number'
does show T-003
says_not lost
exits 3 set T-003 notes.7=1
exits 3 set '' a=1
exits 2 set T-003 a..b=1
exits 2 set T-003 nothing
does tag T-003 +flowering +heritage -todo
does tag T-003 -heritage --json
json record.tags.0 flowering
exits 2 tag T-003 flowering
does list --tag flowering
says T-003
says_not T-001
does set list kind=odd 'text="5"'
does delete list
says 'no server knew it'
exits 1 delete T-001 list
does show T-001
exits 1 show nobody
complains 'there is no record "nobody"'
exits 1 tag nobody +a

step 'Every command says what waits and why, also to scripts'
does status
says '12 changes wait'
says 'Not synced yet'
does --json status
json statistics.total 12
json unsent 12
does why T-003
says 'T-003 is new here'
does --json why T-003
json standing new
exits 1 why nobody
exits 1 --json why nobody
cp err out
json error.code 1
for command in list pending conflicts dead-letters retry; do
    does --json "$command"
    "$cmake" -Dfile=out -Dpath= -P "$here/json_value.cmake" >/dev/null 2>&1 ||
        fail "fieldbook --json $command writes JSON"
done
exits 1 resolve T-003 --ours
exits 1 retry T-003
does discard T-012
says 'it is gone'
exits 1 discard T-012

step 'What comes from elsewhere cannot command the terminal'
printf '{"id":"\\u001b[2J","text":"\\u202e\\u009b"}\n' >hostile.jsonl
does import hostile.jsonl --id id
does list
says '\u001b[2J'
LC_ALL=C grep -q $'\033\|\xe2\x80\xae\|\xc2\x9b' out && fail 'there is no control character'
does delete $'\033[2J'

step 'An export is an import elsewhere'
does export trees.jsonl
does --book other.db import trees.jsonl
says '11 new'
does --book other.db export others.jsonl
cmp -s trees.jsonl others.jsonl || fail 'both books export the same'
does export
cmp -s trees.jsonl out || fail 'it is the same on standard output'
exits 3 export nowhere/trees.jsonl
[[ ! -e /dev/full ]] || { "$program" list >/dev/full 2>err && fail 'a full disk is noticed'; }
FIELDBOOK=other.db does list

step 'A file that is no book stays as it is'
cp trees.jsonl no_book.db
exits 4 --book no_book.db list
cmp -s trees.jsonl no_book.db || fail 'the file is as it was'

step 'Without a network nothing is lost, and one program at a time has the book'
exits 5 sync http://127.0.0.1:9/trees
says 'Not synced'
says '11 changes wait'
"$program" watch http://127.0.0.1:9/trees >watch.out 2>&1 </dev/null &
watch=$!
for _ in {1..100}; do grep -q 'not synced' watch.out && break; sleep 0.1; done
exits 4 list
complains 'is open in another program'
kill -INT $watch
wait $watch || fail 'Ctrl-C ends a watch well'
does status
says '11 changes wait'

step 'A program that is killed while it imports leaves all of the file or nothing'
awk 'BEGIN { for (n = 0; n < 5000; ++n) printf "{\"id\":\"r%d\",\"text\":\"%0200d\"}\n", n, n }' >many.jsonl
whole=0
none=0
for moment in 0.02 0.05 0.1 0.15 0.2 0.3 0.5 0.8 1.2 2 4 8; do
    rm -f many.db*
    { timeout -s KILL $moment "$program" --book many.db import many.jsonl --id id; } >out 2>err
    if [[ ! -e many.db ]]; then
        none=$((none + 1))
        continue
    fi
    does --json --book many.db status
    if grep -q '"total":5000' out; then whole=$((whole + 1)); else
        json statistics.total 0
        none=$((none + 1))
    fi
    does --book many.db import many.jsonl --id id
    does --book many.db status
    says '5000 records'
    ((whole < 2)) || break
done
step "  nothing $none times, all of it $whole times"

step 'The field book does what it says.'
