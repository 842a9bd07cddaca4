# gunicorn from PyPI with two workers that it forks, and the application of the Flask sample.
packages="python3"
inputs="python/routes.py flask/app.py"
build() {
    pip_install flask==3.1.2 gunicorn==23.0.0
    mkdir -p "$app/app"
    cp "$here/flask/app.py" "$here/python/routes.py" "$app/app/"
    compile_python "$app/app"
}
