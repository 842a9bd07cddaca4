# Ruby and WEBrick from Debian, for the template to build on.
packages="ruby ruby-webrick"
build() {
    :
}
