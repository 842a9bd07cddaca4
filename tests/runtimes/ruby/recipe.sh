# Ruby and WEBrick from Debian.
packages="ruby ruby-webrick"
build() {
    mkdir -p "$app/app"
    cp "$src/server.rb" "$app/app/"
}
