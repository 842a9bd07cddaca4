# Node with nothing but its own modules.
packages="libstdc++6"
inputs="node/routes.js"
build() {
    node_install
    cp "$src/server.js" "$app/app/"
}
