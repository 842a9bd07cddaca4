# A Spring Boot jar with Tomcat, as its Maven plugin packs it, on Debian's OpenJDK 17 with the default collector.
packages="openjdk-17-jre-headless"
build() {
    cp -R "$src" "$app.maven"
    retry mvn --quiet --batch-mode -Dmaven.repo.local="$cache/maven" -f "$app.maven/pom.xml" package
    mkdir -p "$app/app"
    cp "$app.maven/target/server.jar" "$app/app/server.jar"
    rm -rf "$app.maven"
}
