# Bun as its npm package for this platform has it.
packages=""
build() {
    npm_install @oven/bun-linux-x64@1.3.2
    mkdir -p "$app/usr/local/bin"
    mv "$app/app/node_modules/@oven/bun-linux-x64/bin/bun" "$app/usr/local/bin/bun"
    rm -r "$app/app/node_modules"
    cp "$src/server.ts" "$app/app/"
}
