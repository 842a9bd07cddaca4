# gunicorn from PyPI with two workers that it forks, and the application of the Flask sample.
packages="python3"
inputs="python/constraints.txt python/routes.py flask/app.py"
build() {
    pip_install flask gunicorn
    mkdir -p "$app/app"
    cp "$here/flask/app.py" "$here/python/routes.py" "$app/app/"
    compile_python "$app/app"
}
