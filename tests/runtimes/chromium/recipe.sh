# Chromium from Debian without a display: it shows the page on standard input, a picture of it is on standard output.
packages="chromium fonts-dejavu-core"
build() {
    mkdir -p "$app/app"
    cp "$src/picture.sh" "$app/app/"
    chmod 755 "$app/app/picture.sh"
}
