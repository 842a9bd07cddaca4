# Perl with HTTP::Daemon and OpenSSL's generator, all from Debian.
packages="perl libhttp-daemon-perl libnet-ssleay-perl libcrypt-urandom-perl"
build() {
    mkdir -p "$app/app"
    cp "$src/server.pl" "$app/app/"
}
