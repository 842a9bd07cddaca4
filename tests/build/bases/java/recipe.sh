# Debian's OpenJDK 17 with its compiler, for the template to build on. Where the maintainer scripts would have put the names:
packages="openjdk-17-jdk-headless"
build() {
    mkdir -p "$app/usr/local/bin"
    for program in java javac; do
        ln -s /usr/lib/jvm/java-17-openjdk-amd64/bin/$program "$app/usr/local/bin/$program"
    done
}
