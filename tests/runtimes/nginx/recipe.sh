# nginx from Debian with a master and a worker; its JavaScript module answers.
packages="nginx-light libnginx-mod-http-js"
build() {
    mkdir -p "$app/etc/nginx" "$app/var/log/nginx" "$app/var/lib/nginx" "$app/run"
    cp "$src/nginx.conf" "$src/routes.js" "$app/etc/nginx/"
}
