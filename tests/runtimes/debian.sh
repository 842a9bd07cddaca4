#!/bin/sh
# Layers of an image that stands on Debian: debian.sh PACKAGE… prints the paths of two tar files, the base and what the
# packages (with what they depend on) add to it; of one without packages.
#
# apt resolves against an empty status file and downloads what this machine's sources offer; nothing is installed here
# and no root is needed. Maintainer scripts do not run: the few things that they would do, and that programs in a
# container see, are done below.
set -eu
base="base-files base-passwd bash coreutils dash findutils grep gzip hostname libc-bin mawk netbase sed tar tzdata"
mkdir -p "$cache/debs/partial" "$cache/none/partial" "$cache/layers"
: >"$cache/status"

apt() {
    apt-get -qq -y --no-install-recommends -o Dir::State::status="$cache/status" -o Dir::Cache::archives="$cache/debs" \
        -o Acquire::Retries=3 -o Debug::NoLocking=1 -o APT::Sandbox::User="$(id -un)" -o Dpkg::Use-Pty=0 "$@"
}

# archives PACKAGE…: file names of the packages and of all that they depend on. apt leaves out what it has already, so
# it is shown an empty folder.
archives() {
    list=$(apt -o Dir::Cache::archives="$cache/none" --print-uris install "$@")
    echo "$list" | cut -d' ' -f2 | LC_ALL=C sort
}

# unpack ROOT FILE…: their files, without those that no program reads.
unpack() {
    root=$1
    shift
    for archive; do
        dpkg-deb --fsys-tarfile "$cache/debs/$archive" | tar -C "$root" -x --keep-directory-symlink \
            --exclude='./usr/share/doc/*' --exclude='./usr/share/man/*' --exclude='./usr/share/locale/*' \
            --exclude='./usr/share/info/*' --exclude='./usr/share/lintian/*' --exclude='./usr/share/bug/*'
    done
}

# pack ROOT LAYER OPTION…: a layer of what the options select. What an ordinary user unpacks belongs to root all the same.
pack() {
    root=$1 layer=$2
    shift 2
    [ "$(id -u)" = 0 ] || set -- --owner=0 --group=0 "$@"
    tar -C "$root" --sort=name --numeric-owner -cf "$layer.new" "$@"
    mv "$layer.new" "$layer"
}

# An empty folder that everybody may enter.
new_root() {
    root=$(mktemp -d "$cache/root.XXXXXX")
    chmod 755 "$root"
    echo "$root"
}

base_layer() {
    root=$(new_root)
    for folder in bin sbin lib lib64; do
        mkdir -p "$root/usr/$folder"
        ln -s "usr/$folder" "$root/$folder"
    done
    # shellcheck disable=SC2086  # one word per package
    unpack "$root" $(archives $base)
    cp "$root/usr/share/base-passwd/passwd.master" "$root/etc/passwd"
    cp "$root/usr/share/base-passwd/group.master" "$root/etc/group"
    ln -sf mawk "$root/usr/bin/awk"
    mkdir -p "$root/tmp" "$root/run" "$root/proc" "$root/sys" "$root/dev"
    chmod 1777 "$root/tmp"
    /sbin/ldconfig -r "$root"
    pack "$root" "$1" .
    rm -rf "$root"
}

# What changed since the mark: a file that was unpacked has a new ctime, whatever its mtime is.
package_layer() {
    layer=$1
    shift
    root=$(new_root)
    tar -C "$root" -xf "$base_layer"
    : >"$root.mark"
    sleep 0.02
    # shellcheck disable=SC2046,SC2086  # one word per file
    archives $base >"$root.base"
    # shellcheck disable=SC2046,SC2086  # one word per file
    unpack "$root" $(archives $base "$@" | LC_ALL=C comm -13 "$root.base" -)
    compile_python "$root"
    /sbin/ldconfig -r "$root"
    (cd "$root" && find . -cnewer "$root.mark" ! -path .) >"$root.changed"
    pack "$root" "$layer" --no-recursion -T "$root.changed"
    rm -rf "$root" "$root.mark" "$root.base" "$root.changed"
}

# A start without compiled modules takes seconds; Debian's maintainer scripts compile them.
compile_python() {
    [ -d "$1/usr/lib/python3.11" ] || return 0
    [ "$(/usr/bin/python3 -c 'import sys; print(*sys.version_info[:2])')" = "3 11" ] || return 0
    /usr/bin/python3 -m compileall -q -s "$1" -p / "$1/usr/lib/python3.11" || true
}

download() {
    for pause in 5 20 60; do
        apt --download-only install "$@" >&2 && return
        echo "downloading failed, again in $pause seconds with newer lists of packages" >&2
        sleep "$pause"
        apt-get update -qq >&2 || true
    done
    apt --download-only install "$@" >&2
}

named() { { cat "$0"; echo "$@"; } | sha256sum | cut -c1-16; }

exec 8>"$cache/debian.lock"
flock 8
# shellcheck disable=SC2086  # one word per package
base_layer=$cache/layers/$(named $base).tar
if [ ! -e "$base_layer" ]; then
    # shellcheck disable=SC2086  # one word per package
    download $base
    base_layer "$base_layer"
fi
echo "$base_layer"
[ $# != 0 ] || exit 0
# shellcheck disable=SC2086  # one word per package
layer=$cache/layers/$(named $base / "$@").tar
if [ ! -e "$layer" ]; then
    # shellcheck disable=SC2086  # one word per package
    download $base "$@"
    package_layer "$layer" "$@"
fi
echo "$layer"
