# This machine's Go on Debian, for the template to build on.
build() {
    root=$(go env GOROOT)
    mkdir -p "$app/usr/local/go" "$app/usr/local/bin" "$app/etc/ssl/certs"
    cp -rL "$root/bin" "$root/src" "$root/pkg" "$root/VERSION" "$root/go.env" "$app/usr/local/go/"
    rm -rf "$app/usr/local/go/src/cmd" "$app/usr/local/go/pkg/linux_amd64_race"
    ln -s ../go/bin/go "$app/usr/local/bin/go"
    cp /etc/ssl/certs/ca-certificates.crt "$app/etc/ssl/certs/"
}
