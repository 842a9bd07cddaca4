# Apache httpd from Debian. One image has two of its process models: what is defined on the command line chooses one.
packages="apache2-bin"
inputs="busybox/cgi.sh"
build() {
    mkdir -p "$app/etc/apache2" "$app/www/cgi-bin" "$app/www/files"
    cp "$src/httpd.conf" "$app/etc/apache2/"
    for route in count uuid random json body file fail; do
        cp "$here/busybox/cgi.sh" "$app/www/cgi-bin/$route"
        chmod 755 "$app/www/cgi-bin/$route"
    done
    seq 1 20000 >"$app/www/files/numbers"
}
