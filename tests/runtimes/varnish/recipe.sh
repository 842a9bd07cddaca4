# Varnish from Debian before a server of files: it compiles its configuration with a C compiler when it starts.
packages="varnish busybox-static"
build() {
    mkdir -p "$app/app" "$app/etc/varnish" "$app/www"
    cp "$src/start.sh" "$app/app/"
    chmod 755 "$app/app/start.sh"
    cp "$src/default.vcl" "$app/etc/varnish/"
    seq 1 20000 >"$app/www/numbers"
}
