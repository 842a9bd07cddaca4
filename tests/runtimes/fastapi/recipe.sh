# FastAPI on uvicorn with its compiled parts (uvloop, httptools), all from PyPI.
packages="python3"
inputs="python/routes.py"
build() {
    pip_install fastapi==0.121.1 uvicorn==0.38.0 uvloop==0.22.1 httptools==0.7.1
    mkdir -p "$app/app"
    cp "$src/main.py" "$here/python/routes.py" "$app/app/"
    compile_python "$app/app"
}
