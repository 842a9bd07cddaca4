# Deno as its npm package for this platform has it.
packages="libstdc++6"
inputs="typescript/routes.ts"
build() {
    npm_program @deno/linux-x64-glibc@2.5.6 deno
    cp "$src/server.ts" "$here/typescript/routes.ts" "$app/app/"
}
