// Listens on $PORT and has handler.js answer: it gives a text, a Buffer, or an object with statusCode, headers and body, in which
// everything else becomes JSON.
const http = require("node:http");
const handle = require("./handler");

async function answer(request, response) {
  const pieces = [];
  for await (const piece of request) pieces.push(piece);
  const url = new URL(request.url, "http://function");
  const event = {
    method: request.method,
    path: url.pathname,
    query: Object.fromEntries(url.searchParams),
    headers: request.headers,
    body: Buffer.concat(pieces),
  };
  let result = await handle(event, { callId: request.headers["x-call-id"] });
  if (!(result && result.statusCode)) result = { statusCode: 200, body: result };
  let body = result.body ?? "";
  let type = "text/plain; charset=utf-8";
  if (Buffer.isBuffer(body)) type = "application/octet-stream";
  else if (typeof body !== "string") [body, type] = [JSON.stringify(body), "application/json"];
  response.writeHead(result.statusCode, { "Content-Type": type, ...result.headers });
  response.end(body);
}

http
  .createServer((request, response) =>
    answer(request, response).catch((error) => {
      console.error(error);
      if (!response.headersSent) response.writeHead(500);
      response.end();
    }),
  )
  .listen(process.env.PORT || 8080);
