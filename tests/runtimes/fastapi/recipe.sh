# FastAPI on uvicorn with its compiled parts (uvloop, httptools), all from PyPI.
packages="python3"
inputs="python/constraints.txt python/routes.py"
build() {
    pip_install fastapi uvicorn uvloop httptools
    mkdir -p "$app/app"
    cp "$src/main.py" "$here/python/routes.py" "$app/app/"
    compile_python "$app/app"
}
