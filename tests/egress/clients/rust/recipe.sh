# tokio-postgres, reqwest and redis on tokio's threads, static and alone in its image.
base=""
build() {
    retry cargo build --quiet --release --locked --target x86_64-unknown-linux-musl --manifest-path "$src/Cargo.toml" \
        --target-dir "$cache/clients"
    cp "$cache/clients/x86_64-unknown-linux-musl/release/clients" "$app/server"
}
