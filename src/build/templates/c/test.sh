#!/bin/sh
set -eu
out=$(mktemp)
trap 'rm -f "$out"' EXIT
cc -O2 -Wall -Wextra -o "$out" main.c
[ "$(printf you | "$out")" = "Hello, you!" ]
