// Bun.serve in TypeScript; an error that a handler does not catch is a 500 of Bun's.
import { randomBytes } from "node:crypto";

let calls = 0;

Bun.serve({
  port: Number(process.env.PORT ?? 8080),
  development: false,
  async fetch(request) {
    switch (new URL(request.url).pathname) {
      case "/count":
        return new Response(String(++calls));
      case "/uuid":
        return new Response(crypto.randomUUID());
      case "/random":
        return new Response(randomBytes(16).toString("hex"));
      case "/json":
        return Response.json({ echo: await request.json() });
      case "/body":
        return new Response(await request.arrayBuffer());
      case "/file":
        await Bun.write("/tmp/written", await request.arrayBuffer());
        return new Response(await Bun.file("/tmp/written").arrayBuffer());
      default:
        throw new Error("nobody catches this");
    }
  },
});
