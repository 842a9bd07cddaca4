#!/bin/sh
# Runs every fuzz target of the workspace for a few seconds each: tests/fuzz.sh SECONDS
#
# By hand, for hours: cd <folder above fuzz/> && cargo fuzz run -s none TARGET
set -eu
seconds=${1:-5}
cd "$(dirname "$0")/.."
found=0
for manifest in $(find . -path ./target -prune -o -path '*/fuzz/Cargo.toml' -print | sort); do
    folder=$(dirname "$manifest")
    export CARGO_TARGET_DIR="$PWD/target/fuzz"
    for target in $(cd "$folder" && cargo fuzz list --fuzz-dir .); do
        found=$((found + 1))
        echo "fuzzing $folder $target for $seconds s"
        log="target/fuzz-$target.log"
        mkdir -p target
        # No sanitizer: the stable toolchain has none, and there is no unsafe code in what is fuzzed.
        if ! (cd "$folder" && cargo fuzz run -s none --fuzz-dir . "$target" -- \
            -max_total_time="$seconds" -timeout=10 -rss_limit_mb=2048) >"$log" 2>&1; then
            tail -40 "$log"
            echo "fuzz target $target failed; all of it: $log" >&2
            exit 1
        fi
        grep -E '^(Done|#[0-9]+.*DONE)' "$log" | tail -1
    done
done
echo "$found fuzz targets ran"
