# busybox alone: its httpd starts a shell script for each request.
base=""
build() {
    mkdir -p "$app/bin" "$app/www/cgi-bin" "$app/tmp" "$app/etc"
    cp "$(command -v busybox)" "$app/bin/busybox"
    for applet in $("$app/bin/busybox" --list); do
        [ "$applet" = busybox ] || ln -s busybox "$app/bin/$applet"
    done
    for route in count uuid random json body file fail; do
        cp "$src/cgi.sh" "$app/www/cgi-bin/$route"
        chmod 755 "$app/www/cgi-bin/$route"
    done
    echo "root:x:0:0:root:/root:/bin/sh" >"$app/etc/passwd"
}
