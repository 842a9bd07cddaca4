# A program that the image starts as an unprivileged user, named and with a home.
packages="python3"
inputs="python/routes.py python-http/server.py"
build() {
    mkdir -p "$app/app" "$app/home/worker" "$app/etc"
    cp "$src/main.py" "$here/python/routes.py" "$here/python-http/server.py" "$app/app/"
    compile_python "$app/app"
    echo "root:x:0:0:root:/root:/bin/sh" >"$app/etc/passwd"
    echo "worker:x:1234:2345::/home/worker:/bin/sh" >>"$app/etc/passwd"
    printf 'root:x:0:\nworkers:x:2345:\nextra:x:3456:worker\n' >"$app/etc/group"
    chmod 700 "$app/home/worker"
    chown 1234:2345 "$app/home/worker" 2>/dev/null || chmod 777 "$app/home/worker"
}
