# pg and Net::HTTP of Debian's Ruby, behind WEBrick.
packages="ruby ruby-webrick ruby-pg"
build() {
    mkdir -p "$app/app"
    cp "$src/server.rb" "$app/app/"
}
