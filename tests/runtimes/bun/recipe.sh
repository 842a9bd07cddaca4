# Bun as its npm package for this platform has it.
packages=""
inputs="typescript/routes.ts"
build() {
    npm_program @oven/bun-linux-x64@1.3.2 bin/bun
    cp "$src/server.ts" "$here/typescript/routes.ts" "$app/app/"
}
