// Bun.serve in TypeScript; an error that a handler does not catch is a 500 of Bun's.
import { answer } from "./routes.ts";

async function file(path: string, bytes: Uint8Array): Promise<ArrayBuffer> {
  await Bun.write(path, bytes);
  return await Bun.file(path).arrayBuffer();
}

Bun.serve({
  port: Number(process.env.PORT ?? 8080),
  development: false,
  fetch: (request) => answer(request, file),
});
