# A program against glibc and OpenSSL; Debian's own libraries are what it meets in the image.
packages="libssl3"
inputs="c/server.c"
build() {
    mkdir -p "$app/usr/local/bin"
    cc -O2 -Wall -Wextra -DWITH_OPENSSL -o "$app/usr/local/bin/server" "$here/c/server.c" -lcrypto
}
