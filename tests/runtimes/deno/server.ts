// Deno.serve in TypeScript; an error that a handler does not catch is a 500 of Deno's.
import { randomBytes } from "node:crypto";

let calls = 0;

async function answer(request: Request): Promise<Response> {
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
      await Deno.writeFile("/tmp/written", new Uint8Array(await request.arrayBuffer()));
      return new Response(await Deno.readFile("/tmp/written"));
    default:
      throw new Error("nobody catches this");
  }
}

Deno.serve({ port: Number(Deno.env.get("PORT") ?? 8080) }, answer);
