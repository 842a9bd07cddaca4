# JDBC to PostgreSQL and java.net.http, on Debian's OpenJDK 17.
packages="openjdk-17-jre-headless libpostgresql-jdbc-java"
build() {
    mkdir -p "$app/app"
    javac --release 17 -d "$app/app" "$src/Server.java"
}
