# PHP's built-in server from Debian, with a router script.
packages="php8.2-cli"
build() {
    mkdir -p "$app/app"
    cp "$src/router.php" "$app/app/"
    mkdir -p "$app/usr/local/bin"
    ln -s /usr/bin/php8.2 "$app/usr/local/bin/php"
}
