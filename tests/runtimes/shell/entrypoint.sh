#!/bin/bash
# What entrypoints of images do: look around, write a configuration by pipes, then become the program.
set -euo pipefail

release=$(grep ^ID= /etc/os-release | cut -d= -f2 | tr a-z A-Z)
printf '%s\n' c b a c | sort -u | while read -r letter; do echo "letter $letter"; done >/tmp/letters
find /etc -maxdepth 1 -name '*.conf' -print0 | xargs -0 -r wc -c >/tmp/sizes &
wait $!
cat <(echo "release=$release") <(wc -l </tmp/letters) | sed 's/^/# /' | tee /tmp/configuration
[ "$(tr '\n' ' ' </tmp/configuration)" = "# release=DEBIAN # 3 " ]
trap 'echo leaving' EXIT
(exit 3) || [ $? = 3 ]
exec "$@"
