#!/bin/sh
# Builds kube-apiserver from Go modules into target/cluster/bin, unless it is there or KUBEBUILDER_ASSETS has one.
#
# From nothing this takes a few minutes of two cores; afterwards Go's own cache makes it seconds.
set -eu
cd "$(dirname "$0")"
[ ! -x "${KUBEBUILDER_ASSETS:-/nowhere}/kube-apiserver" ] || exit 0
out=$(cd ../.. && pwd)/target/cluster/bin
[ ! -x "$out/kube-apiserver" ] || exit 0
if ! command -v go >/dev/null 2>&1; then
    echo "Go is missing: install Go 1.24 or newer, or name a folder with etcd and kube-apiserver in KUBEBUILDER_ASSETS" >&2
    exit 1
fi
echo "building: kube-apiserver"
version=$(sed -n 's|^\tk8s.io/kubernetes ||p' go.mod)
minor=${version#v1.}
minor=${minor%%.*}
# Without these it calls itself v0.0.0-master, and clients that compare versions refuse it.
v=k8s.io/component-base/version
flags="-X $v.gitVersion=$version -X $v.gitMajor=1 -X $v.gitMinor=$minor -X $v.gitTreeState=clean -X $v.gitCommit=0 -X $v.buildDate=1970-01-01T00:00:00Z"
mkdir -p "$out"
GOFLAGS=-buildvcs=false nice -n 5 go build -trimpath -ldflags "-s -w $flags" -o "$out/kube-apiserver" ./cmd/kube-apiserver
