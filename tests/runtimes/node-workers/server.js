// Requests go to two worker threads in turn; a worker that an error ends makes a 500.
const http = require('node:http');
const { Worker } = require('node:worker_threads');

const waiting = new Map();
let number = 0;

function start() {
  const worker = new Worker('/app/worker.js');
  worker.on('message', ({ id, content }) => finish(id, 200, content));
  worker.on('error', (error) => {
    for (const [id, entry] of waiting) {
      if (entry.worker === worker) finish(id, 500, String(error));
    }
  });
  return worker;
}

function finish(id, status, content) {
  const { response } = waiting.get(id);
  waiting.delete(id);
  response.writeHead(status);
  response.end(content);
}

const workers = [start(), start()];
const online = workers.map((worker) => new Promise((resolve) => worker.once('online', resolve)));

Promise.all(online).then(() => {
  http.createServer((request, response) => {
    const parts = [];
    request.on('data', (part) => parts.push(part));
    request.on('end', () => {
      const id = number++;
      const worker = workers[id % workers.length];
      waiting.set(id, { response, worker });
      worker.postMessage({ id, path: request.url, body: Buffer.concat(parts) });
    });
  }).listen(process.env.PORT || 8080);
});
