# The JDK's own com.sun.net.httpserver on Debian's OpenJDK 17.
packages="openjdk-17-jre-headless"
build() {
    mkdir -p "$app/app"
    javac --release 17 -d "$app/app" "$src/Server.java"
}
