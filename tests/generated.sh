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

# What `kubectl apply -f` takes in place of the chart: the chart with its defaults.
plain() {
    cat <<END
# kontain-faas without helm: kubectl apply -f deploy/kontain-faas.yaml
# Generated from deploy/chart with its default values; set the image (two times) to where your cluster can pull it.
apiVersion: v1
kind: Namespace
metadata:
  name: kontain-faas
END
    "$helm" template kontain-faas deploy/chart --namespace kontain-faas |
        sed -e '/^# Source: /d' -e '/^ *helm.sh\/chart: /d' -e 's/managed-by: Helm$/managed-by: kubectl/'
}

check docs/syscalls.md "$binaries/km" syscalls --format md
helm=target/cluster/bin/helm
[ -x "$helm" ] || helm=$(command -v helm || true)
if [ -n "$helm" ]; then
    check deploy/kontain-faas.yaml plain
else
    echo "SKIPPED: deploy/kontain-faas.yaml: no helm; tests/cluster/programs.sh helm builds it" >&2
fi
check deploy/crds/build.kontain.app_images.yaml "$binaries/kontain-faas" crds
# Helm reads nothing outside of the chart's folder.
check deploy/chart/files/build.kontain.app_images.yaml "$binaries/kontain-faas" crds
exit $failed
