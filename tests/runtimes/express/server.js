// Express with its own handling of errors.
const express = require('express');
const routes = require('./routes.js');

const app = express();
const raw = express.raw({ type: () => true, limit: '8mb' });
for (const name of ['count', 'uuid', 'random', 'fail']) {
  app.get(`/${name}`, (request, response) => response.type('text').send(routes[name]()));
}
app.post('/json', express.json(), (request, response) => response.json({ echo: request.body }));
app.post('/body', raw, (request, response) => response.send(request.body));
app.post('/file', raw, (request, response) => response.send(routes.file(request.body)));
app.listen(process.env.PORT || 8080);
