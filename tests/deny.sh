#!/bin/sh
# Checks the dependencies against deny.toml: bans, licences and sources always; advisories by RustSec's database, fetched
# or as it was fetched last. Without either, that one part is skipped, loudly.
set -eu
cd "$(dirname "$0")/.."
cargo deny --locked --log-level error check --hide-inclusion-graph bans licenses sources

databases=${CARGO_HOME:-$HOME/.cargo}/advisory-dbs
if fetched=$(cargo deny --locked --log-level error fetch db 2>&1); then
    cargo deny --locked --log-level error check --disable-fetch advisories
elif [ -n "$(find "$databases" -name 'RUSTSEC-*.md' -print -quit 2>/dev/null)" ]; then
    echo "advisories: the database cannot be fetched; checking with the copy of the last time" >&2
    cargo deny --locked --log-level error check --disable-fetch advisories
else
    printf '\n*** SKIPPED advisories: their database cannot be fetched here ***\n%s\n\n' "$fetched" >&2
fi
