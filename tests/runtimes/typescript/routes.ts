// What the servers in TypeScript answer, apart from how each is started and reaches files.
import { randomBytes } from "node:crypto";

let calls = 0;

// `file` writes the bytes to a path and gives what it then reads there.
export async function answer(
  request: Request,
  file: (path: string, bytes: Uint8Array) => Promise<BodyInit>,
): Promise<Response> {
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
      return new Response(await file("/tmp/written", new Uint8Array(await request.arrayBuffer())));
    default:
      throw new Error("nobody catches this");
  }
}
