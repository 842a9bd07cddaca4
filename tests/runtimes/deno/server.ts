// Deno.serve in TypeScript; an error that a handler does not catch is a 500 of Deno's.
import { answer } from "./routes.ts";

async function file(path: string, bytes: Uint8Array): Promise<Uint8Array> {
  await Deno.writeFile(path, bytes);
  return await Deno.readFile(path);
}

Deno.serve({ port: Number(Deno.env.get("PORT") ?? 8080) }, (request) => answer(request, file));
