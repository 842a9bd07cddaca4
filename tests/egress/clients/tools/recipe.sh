# curl, wget and git of Debian, one for each call.
packages="curl wget git"
build() {
    mkdir -p "$app/app"
    cp "$src/fetch.sh" "$app/app/"
}
