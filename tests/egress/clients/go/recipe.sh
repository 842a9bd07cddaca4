# pgx and net/http with Go's own resolver, static and alone in its image.
base=""
build() {
    export CGO_ENABLED=0 GOFLAGS=-modcacherw GOMODCACHE="$cache/go" GOTOOLCHAIN=local
    (cd "$src" && retry go build -trimpath -ldflags=-s -o "$app/server" .)
}
