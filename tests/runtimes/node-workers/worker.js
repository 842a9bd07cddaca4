// Answers what the main thread sends, by name of the route.
const { parentPort } = require('node:worker_threads');
const routes = require('./routes.js');

routes.json = (body) => routes.echo(Buffer.from(body).toString());
routes.body = (body) => body;
parentPort.on('message', ({ id, path, body }) => {
  parentPort.postMessage({ id, content: routes[path.slice(1)](body) });
});
