# gdb and strace from Debian, and a program to look into.
packages="gdb-minimal strace"
build() {
    mkdir -p "$app/app"
    cp "$src/program.c" "$app/app/"
    (cd "$app/app" && gcc -g -O0 -static -pthread -o program program.c)
}
