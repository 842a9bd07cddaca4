# Deno as its npm package for this platform has it.
packages="libstdc++6"
build() {
    npm_install @deno/linux-x64-glibc@2.5.6
    mkdir -p "$app/usr/local/bin"
    mv "$app/app/node_modules/@deno/linux-x64-glibc/deno" "$app/usr/local/bin/deno"
    chmod 755 "$app/usr/local/bin/deno"
    rm -r "$app/app/node_modules"
    cp "$src/server.ts" "$app/app/"
}
