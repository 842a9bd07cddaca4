# Flask from PyPI, behind its own threaded server.
packages="python3"
inputs="python/constraints.txt python/routes.py"
build() {
    pip_install flask
    mkdir -p "$app/app"
    cp "$src/app.py" "$here/python/routes.py" "$app/app/"
    compile_python "$app/app"
}
