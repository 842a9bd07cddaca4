#!/bin/sh
# Regenerates every generated file and compares it with the one in the repository: tests/generated.sh BINARIES
#
# With UPDATE=1 the files are written instead.
set -eu
cd "$(dirname "$0")/.."
binaries=${1:?usage: tests/generated.sh FOLDER-OF-BINARIES}
failed=0

# check FILE COMMAND...: the file is what the command prints.
check() {
    file=$1
    shift
    fresh=$(mktemp)
    "$@" >"$fresh"
    if [ "${UPDATE:-0}" = 1 ]; then
        mkdir -p "$(dirname "$file")"
        cp "$fresh" "$file"
    elif ! diff -u "$file" "$fresh"; then
        echo "$file is out of date; UPDATE=1 $0 $binaries writes it" >&2
        failed=1
    fi
    rm -f "$fresh"
}

check docs/syscalls.md "$binaries/km" syscalls --format md
exit $failed
