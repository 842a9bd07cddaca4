# SQLite with a write-ahead log (its index is shared memory in a file), behind http.server.
packages="python3"
inputs="python/routes.py python-http/server.py"
build() {
    mkdir -p "$app/app"
    cp "$src/main.py" "$here/python/routes.py" "$here/python-http/server.py" "$app/app/"
    compile_python "$app/app"
}
