# SPDX-License-Identifier: MIT
# shellcheck shell=bash
# What the lanes have in common. A lane is a script of a few lines: it names the packages that it
# needs and how its compiler is called; the tests are the same everywhere, and so is the hash of the
# first 300 seeds, which the simulation itself compares.
set -euo pipefail
platforms=$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")" && pwd)
root=${platforms%/*}
lane=$(basename -- "$0")
build=$root/build/platforms/$lane

export CMAKE_BUILD_PARALLEL_LEVEL=${CMAKE_BUILD_PARALLEL_LEVEL:-$(getconf _NPROCESSORS_ONLN)}

# The tests and the seeds, and what README.md shows.
programs=(sync_engine.tests sync_engine.simulate sync_engine.examples.first_sync)
tests='^(tests\.[a-z]+|simulation\.seeds|examples\.first_sync)$'

need() {
    "$root/dev" need cmake ninja-build nlohmann-json3-dev catch2 "$@"
}

# Ends a lane that cannot be tried here, and says why.
skip() {
    echo "SKIPPED: $1"
    exit 77
}

# Configures with these arguments, builds, tests, and ends with a line for the table.
try() {
    cmake --preset platform -S "$root" -B "$build" "$@"
    cmake --build "$build" --target "${programs[@]}"
    ctest --test-dir "$build" --tests-regex "$tests" --no-tests=error --output-on-failure --timeout 1800 \
        --parallel "$CMAKE_BUILD_PARALLEL_LEVEL"
    result
}

# Which compiler, how many tests passed, and the hash.
result() {
    local log compiler hash cases
    log=$(sed 's/\x1b\[[0-9;]*m//g' "$build/Testing/Temporary/LastTest.log")  # without colours
    compiler=$(sed -n 's/^CMAKE_CXX_COMPILER:[A-Z]*=//p' "$build/CMakeCache.txt")
    cases=$(sed -n 's/^All tests passed (.* in \([0-9]*\) test case.*/\1/p' <<<"$log" | paste -sd+)
    hash=$(sed -n 's/^the hash of the first 300 seeds is \([0-9a-f]*\).*/\1/p' <<<"$log")
    [[ -n $hash ]]
    echo "RESULT: $lane | $("$compiler" --version | sed -n 1p) | $((cases)) | $hash"
}

# Makes a folder for what a compiler for another machine may see of this one: headers that belong to
# no machine, and SQLite, compiled by the compiler and archiver that are named.
sysroot() {
    sysroot=$build/sysroot
    rm -rf "$sysroot"
    mkdir -p "$sysroot"/usr/{include,lib/cmake}
    cp -r /usr/include/{catch2,nlohmann} "$sysroot/usr/include"
    cp -r /usr/lib/cmake/Catch2 /usr/share/cmake/nlohmann_json "$sysroot/usr/lib/cmake"
    "$2" rcs "$sysroot/usr/lib/libCatch2WithMain.a"  # empty: the tests bring their own main
    sqlite_source
    local source=$root/build/platforms/sqlite
    cp "$source/sqlite3.h" "$sysroot/usr/include"
    "$1" -O1 -w -c "$source/sqlite3.c" -o "$build/sqlite3.o" -DSQLITE_OMIT_LOAD_EXTENSION
    "$2" rcs "$sysroot/usr/lib/libsqlite3.a" "$build/sqlite3.o"
}

# SQLite as one file, of Debian's source. The list is our own, so nothing of the machine changes.
sqlite_source() {
    local place=$root/build/platforms/sqlite options
    [[ ! -e $place/sqlite3.c ]] || return 0
    "$root/dev" need gcc make tcl xz-utils
    rm -rf "$place"
    mkdir -p "$place/lists/partial"
    echo 'deb-src http://deb.debian.org/debian bookworm main' >"$place/sources.list"
    options=(-qq -o "Dir::Etc::SourceList=$place/sources.list" -o Dir::Etc::SourceParts=/dev/null
        -o "Dir::State::Lists=$place/lists" -o Dir::Cache::pkgcache= -o Dir::Cache::srcpkgcache=)
    (
        cd "$place"
        apt-get "${options[@]}" update
        apt-get "${options[@]}" --download-only source sqlite3
        mkdir source
        tar -C source --strip-components 1 -xf sqlite3_*.orig.tar.*
        cd source
        ./configure
        make sqlite3.c
        mv sqlite3.h sqlite3.c ..
    ) >"$place/log" 2>&1 </dev/null || skip "SQLite's source did not come; see $place/log"
}

# Tries a compiler for another machine, with what runs its programs and further arguments:
# cross SYSTEM COMPILER EMULATOR [ARGUMENT]...
cross() {
    try -DCMAKE_SYSTEM_NAME="$1" -DCMAKE_CXX_COMPILER="$2" -DCMAKE_CROSSCOMPILING_EMULATOR="$3" \
        -DCMAKE_FIND_ROOT_PATH="$sysroot" -DCMAKE_FIND_ROOT_PATH_MODE_{PACKAGE,INCLUDE,LIBRARY}=ONLY \
        "${@:4}"
}

# The same for a Linux of Debian's: debian TRIPLET EMULATOR. What GCC says of ABIs before its seventh
# version is about nothing here.
debian() {
    sysroot "$1-gcc" "$1-ar"
    cross Linux "$1-g++" "$2;-L;/usr/$1" -DCMAKE_SYSTEM_PROCESSOR="${1%%-*}" \
        -DCMAKE_CXX_FLAGS_DEBUG='-O0 -g0 -Wno-psabi'
}
