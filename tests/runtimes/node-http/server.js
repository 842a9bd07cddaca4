// node:http; an error that nobody catches ends the process.
const http = require('node:http');
const routes = require('./routes.js');

const answers = {
  'GET /count': routes.count,
  'GET /uuid': routes.uuid,
  'GET /random': routes.random,
  'GET /fail': routes.fail,
  'POST /json': routes.echo,
  'POST /file': routes.file,
  'POST /body': (body) => body,
};

http.createServer((request, response) => {
  const parts = [];
  request.on('data', (part) => parts.push(part));
  request.on('end', () => response.end(answers[`${request.method} ${request.url}`](Buffer.concat(parts))));
}).listen(process.env.PORT || 8080);
