# A static program and nothing else.
base=""
inputs="c/server.c"
build() { musl-gcc -O2 -static -Wall -Wextra -o "$app/server" "$here/c/server.c"; }
