# Node with worker_threads: two threads answer, the main one passes messages.
packages="libstdc++6"
inputs="node/routes.js"
build() {
    node_install
    cp "$src/server.js" "$src/worker.js" "$app/app/"
}
