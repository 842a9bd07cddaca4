#!/bin/sh
# Writes the container image as an OCI layout, with the project's own `pack`: tests/image.sh BINARIES LAYOUT
#
# The same as deploy/Dockerfile makes. `skopeo copy oci:LAYOUT:latest docker://…` pushes it.
set -eu
binaries=$1
layout=$2
rm -rf "$layout"
"$binaries/kontain-faas" pack -o "oci:$layout:latest" \
    --at /usr/local/bin/kontain-faas --add "$binaries/km:/usr/local/bin/km" \
    --env PATH=/usr/local/bin --user 65532:65532 -- "$binaries/kontain-faas"
