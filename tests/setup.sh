#!/bin/sh
# Installs what is missing on this machine through its package clients, and says what.
#
#   tests/setup.sh build    what `make build` and `make demo` need
#   tests/setup.sh test     that, and the independent tools that `make test` compares with
#   tests/setup.sh cluster  that, and what a node of a cluster needs: `make test-cluster`
#
# As root it installs, as a user it asks sudo; without the right to, it names the exact command and stops.
# Nothing missing: nothing is done, in a few milliseconds.
set -eu
level=${1:?usage: tests/setup.sh build|test|cluster}

has() { command -v "$1" >/dev/null 2>&1; }

# need COMMAND PACKAGE: remembers the Debian package when the command is missing.
missing=
need() { has "$1" || case " $missing " in *" $2 "*) ;; *) missing="$missing $2" ;; esac; }

need cc gcc
need musl-gcc musl-tools
need make make
[ -x /usr/bin/python3 ] || missing="$missing python3"
if [ "$level" != build ]; then
    need g++ g++
    need mkfs.erofs erofs-utils
    need umoci umoci
    need skopeo skopeo
    need docker-registry docker-registry
    need htpasswd apache2-utils
    # Interpreters to be packed.
    need ruby ruby
    need php php-cli
    # Writers of layers.
    need bsdtar libarchive-tools
    need buildah buildah
    need openssl openssl
    need strace strace
    need script bsdutils
    [ -x "${KUBEBUILDER_ASSETS:-/nowhere}/etcd" ] || need etcd etcd-server
    need kubectl kubernetes-client
    need crun crun
    need curl curl
    # Peers of functions, and their names.
    need ip iproute2
    need dnsmasq dnsmasq-base
    need aiosmtpd python3-aiosmtpd
    need redis-server redis-server
    need nginx nginx-light
    ls /usr/lib/postgresql/*/bin/initdb >/dev/null 2>&1 || missing="$missing postgresql"
    need cpio cpio
    need busybox busybox-static
    need qemu-system-x86_64 qemu-system-x86
    need etcd etcd-server
    # The images of real runtimes.
    need go golang-go
    need xz xz-utils
    need javac openjdk-17-jdk-headless
    need mvn maven
    need npm npm
    need pip python3-pip
    [ -e /usr/include/openssl/rand.h ] || missing="$missing libssl-dev"
    [ -e /usr/share/seabios/bios-256k.bin ] || [ -e /usr/share/qemu/bios-256k.bin ] || missing="$missing seabios"
fi

if [ "$level" = cluster ]; then
    need containerd containerd
    need runc runc
    need conntrack conntrack
    need iptables iptables
    need ipset ipset
    need ip iproute2
    need kubectl kubernetes-client
    [ -x /usr/lib/cni/bridge ] || missing="$missing containernetworking-plugins"
fi

# as_root COMMAND...: runs it, or names it and stops.
as_root() {
    if [ "$(id -u)" = 0 ]; then
        "$@"
    elif has sudo && { sudo -n true 2>/dev/null || [ -t 0 ]; }; then
        sudo "$@"
    else
        echo "missing:$missing" >&2
        echo "run this as root, then again what you ran: $*" >&2
        exit 1
    fi
}

if [ -n "$missing" ]; then
    if ! has apt-get; then
        echo "missing commands; their Debian packages are:$missing" >&2
        echo "install them with this machine's package manager, then run this again" >&2
        exit 1
    fi
    echo "installing:$missing"
    # shellcheck disable=SC2086  # one word per package
    set -- $missing
    as_root env DEBIAN_FRONTEND=noninteractive sh -c \
        'apt-get update -qq && apt-get install -y -qq --no-install-recommends "$@" >/dev/null' apt "$@"
fi

if ! has cargo; then
    echo "Rust is missing; install it as https://rustup.rs says, then run this again" >&2
    exit 1
fi

# The targets and components that rust-toolchain.toml names.
for target in x86_64-unknown-none x86_64-unknown-linux-musl; do
    [ -d "$(rustc --print sysroot)/lib/rustlib/$target/lib" ] && continue
    if ! has rustup; then
        echo "the Rust target $target is missing, and rustup is not there to install it" >&2
        exit 1
    fi
    echo "installing: Rust target $target"
    rustup target add "$target"
done
if ! cargo fmt --version >/dev/null 2>&1 || ! cargo clippy --version >/dev/null 2>&1; then
    echo "installing: rustfmt, clippy"
    rustup component add rustfmt clippy
fi

if [ "$level" != build ] && ! cargo fuzz --version >/dev/null 2>&1; then
    echo "installing: cargo-fuzz"
    cargo install --quiet --locked cargo-fuzz
fi
if [ "$level" != build ] && ! cargo deny --version >/dev/null 2>&1; then
    echo "installing: cargo-deny"
    # Unoptimized: it is built in a quarter of the time, and runs for two seconds all the same.
    CARGO_PROFILE_DEV_DEBUG=0 cargo install --quiet --locked --profile dev cargo-deny
fi
if [ "$level" = test ]; then
    "$(dirname "$0")/cluster/apiserver.sh"
fi
