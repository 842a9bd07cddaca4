# Express from npm.
packages="libstdc++6"
inputs="node/routes.js"
build() {
    node_install
    npm_install express@5.1.0
    cp "$src/server.js" "$app/app/"
}
