# PDO and streams of Debian's PHP, behind its built-in server.
packages="php8.2-cli php8.2-pgsql"
build() {
    mkdir -p "$app/app" "$app/usr/local/bin"
    cp "$src/router.php" "$app/app/"
    ln -s /usr/bin/php8.2 "$app/usr/local/bin/php"
}
