# Debian's CPython with nothing but its standard library.
packages="python3"
inputs="python/routes.py"
build() {
    mkdir -p "$app/app"
    cp "$src/server.py" "$here/python/routes.py" "$app/app/"
    compile_python "$app/app"
}
