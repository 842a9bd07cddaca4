# psycopg and asyncpg, redis, urllib and requests, smtplib, a statsd client, on Debian's CPython.
packages="python3"
inputs="python/constraints.txt"
build() {
    pip_install "psycopg[binary]" asyncpg async-timeout redis requests statsd
    mkdir -p "$app/app"
    cp "$src/server.py" "$app/app/"
    compile_python "$app/app"
}
