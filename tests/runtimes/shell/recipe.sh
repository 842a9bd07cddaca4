# An entrypoint that is a shell script: pipes, substitutions, children, and in the end exec.
inputs="c/server.c"
build() {
    mkdir -p "$app/usr/local/bin"
    cc -O2 -Wall -Wextra -o "$app/usr/local/bin/server" "$here/c/server.c"
    cp "$src/entrypoint.sh" "$app/usr/local/bin/entrypoint.sh"
    chmod 755 "$app/usr/local/bin/entrypoint.sh"
}
