# numpy from PyPI with the OpenBLAS that its wheel brings, behind http.server.
packages="python3 libstdc++6"
inputs="python/constraints.txt python/routes.py python-http/server.py"
build() {
    pip_install numpy
    mkdir -p "$app/app"
    cp "$src/main.py" "$here/python/routes.py" "$app/app/"
    cp "$here/python-http/server.py" "$app/app/"
    compile_python "$app/app"
}
