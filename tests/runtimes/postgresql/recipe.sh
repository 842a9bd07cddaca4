# PostgreSQL from Debian, run by an unprivileged user: each call makes a database cluster, starts the server, and asks it.
packages="postgresql-15"
build() {
    mkdir -p "$app/app" "$app/etc"
    cp "$src/query.sh" "$app/app/"
    chmod 755 "$app/app/query.sh"
    printf 'root:x:0:0:root:/root:/bin/sh\npostgres:x:1234:2345::/tmp:/bin/sh\n' >"$app/etc/passwd"
    printf 'root:x:0:\npostgres:x:2345:\n' >"$app/etc/group"
}
