#!/bin/sh
# Builds programs of the test cluster from Go modules into target/cluster/bin: tests/cluster/programs.sh NAME…
#
#   helm kube-node kvm-device-plugin traefik      (kube-apiserver: apiserver.sh)
#   definitions                                   of the Gateway API, into target/cluster/definitions
#
# One that was built from the same sources is left alone: the hash of what it was built from lies beside it. Times say
# nothing, as a checkout makes all files new. Go's cache makes a second build seconds.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
cd "$here/../.."
work=$PWD/target/cluster
out=$work/bin
mkdir -p "$out"
export GOFLAGS=-buildvcs=false

# sources NAME MODULE-FOLDER: the hash of what the program is built from.
sources() {
    find "$here/programs.sh" "$2/go.mod" "$2/go.sum" "$2"/*.go "$here/cmd/$1" -type f 2>/dev/null |
        LC_ALL=C sort | xargs cat | sha256sum
}

# fresh NAME MODULE-FOLDER: the program is there, and built from what is there now.
fresh() {
    [ -x "$out/$1" ] && [ "$(cat "$out/.$1.sources" 2>/dev/null)" = "$(sources "$@")" ]
}

# build NAME PACKAGE FLAGS: in the folder that we are in, to a name of its own first.
build() {
    echo "building: $1"
    nice -n 5 go build -trimpath -ldflags "-s -w $3" -o "$out/.$1.$$" "$2"
    mv "$out/.$1.$$" "$out/$1"
}

# version MODULE: as go.mod has it.
version() { sed -n "s|^\t$1 \(v[^ ]*\).*|\1|p" go.mod; }

# Without these the programs call themselves v0.0.0-master, and what compares versions refuses them.
kubernetes() {
    cd "$here"
    release=$(version k8s.io/kubernetes)
    minor=${release#v1.}
    v=k8s.io/component-base/version
    build "$1" "./cmd/$1" "-X $v.gitVersion=$release -X $v.gitMajor=1 -X $v.gitMinor=${minor%%.*} -X $v.gitTreeState=clean -X $v.gitCommit=0 -X $v.buildDate=1970-01-01T00:00:00Z"
}

helm() {
    cd "$here/helm"
    h=helm.sh/helm/v3
    minor=$(sed -n 's|^\tk8s.io/kubernetes v1\.\([0-9]*\).*|\1|p' ../go.mod)
    CGO_ENABLED=0 build helm "$h/cmd/helm" "-X $h/internal/version.version=$(version $h) -X $h/pkg/chartutil.k8sVersionMinor=$minor -X $h/pkg/lint/rules.k8sVersionMinor=$minor"
}

# traefik's library for certificates knows 180 DNS providers, whose programs are two thirds of the build: without them.
traefik() {
    rm -rf "$work/traefik"
    mkdir "$work/traefik"
    cd "$work/traefik"
    lego=github.com/go-acme/lego/v4
    wanted=$lego@$(cd "$here/ingress" && version $lego)
    dir=$(GOFLAGS=-mod=mod go mod download -json "$wanted" | sed -n 's/^\t"Dir": "\(.*\)",\?$/\1/p')
    cp -r "$dir" lego
    chmod -R u+w lego
    cp "$here/ingress/no_providers.go" lego/providers/dns/zz_gen_dns_providers.go
    cp "$here/ingress/go.mod" "$here/ingress/go.sum" .
    t=github.com/traefik/traefik/v3
    CGO_ENABLED=0 build traefik "$t/cmd/traefik" "-X $t/pkg/version.Version=$(version $t)"
}

# The custom resource definitions of the Gateway API come in its Go module.
definitions() {
    [ ! -e "$work/definitions/gateway.networking.k8s.io_httproutes.yaml" ] || return 0
    wanted=sigs.k8s.io/gateway-api@$(cd "$here/ingress" && version sigs.k8s.io/gateway-api)
    dir=$(cd "$work" && GOFLAGS=-mod=mod go mod download -json "$wanted" | sed -n 's/^\t"Dir": "\(.*\)",\?$/\1/p')
    mkdir -p "$work/definitions"
    cp "$dir"/config/crd/standard/*.yaml "$work/definitions/"
}

for name in "$@"; do
    if [ "$name" = definitions ]; then
        definitions
        continue
    fi
    case $name in
        helm | traefik) module=$here/$([ "$name" = helm ] && echo helm || echo ingress) ;;
        *) module=$here ;;
    esac
    if fresh "$name" "$module"; then continue; fi
    if ! command -v go >/dev/null 2>&1; then
        echo "Go is missing: install Go 1.26 or newer, then run this again" >&2
        exit 1
    fi
    case $name in
        helm | traefik) (set -e; "$name") ;;
        # Runs in a container that has no C library.
        kvm-device-plugin) (set -e; export CGO_ENABLED=0; kubernetes "$name") ;;
        kube-node) (set -e; kubernetes "$name") ;;
        *) echo "programs.sh: no program is called $name" >&2; exit 2 ;;
    esac
    sources "$name" "$module" >"$out/.$name.sources"
done
