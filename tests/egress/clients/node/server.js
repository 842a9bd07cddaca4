// Opens a connection with the client that the path names, and answers what came over it. With KEEP in the environment, clients that were used
// before the server listened are used again at /kept/NAME.
'use strict';
const dgram = require('node:dgram');
const dns = require('node:dns');
const fs = require('node:fs');
const http = require('node:http');
const https = require('node:https');
const Redis = require('ioredis');
const { Client, Pool } = require('pg');

const ca = () => fs.readFileSync('/run/secrets/peers/ca.crt');

const clients = {
  async pg() {
    const client = new Client({
      host: 'db.test', user: 'caller', password: 'secret', database: 'caller', ssl: { ca: ca() },
    });
    await client.connect();
    const { rows } = await client.query('SELECT 6 * 7 AS answer');
    await client.end();
    return rows[0].answer;
  },
  async redis() {
    const client = new Redis({ host: 'redis.test', maxRetriesPerRequest: 1 });
    try {
      return await client.eval('return 6 * 7', 0);
    } finally {
      client.disconnect();
    }
  },
  async fetch() {
    return (await fetch('http://web.test/answer')).text();
  },
  https() {
    return new Promise((resolve, reject) => {
      const request = https.get('https://web.test/answer', { ca: ca() }, (answer) => {
        let text = '';
        answer.on('data', (part) => { text += part; }).on('end', () => resolve(text));
      });
      request.on('error', reject);
    });
  },
  async dns() {
    const found = await dns.promises.resolve4('web.test');
    return found.includes('192.0.2.1') ? 42 : found;
  },
  datagram() {
    return new Promise((resolve, reject) => {
      const socket = dgram.createSocket('udp4');
      socket.send('calls:1|c', 8125, '192.0.2.1', (error) => {
        socket.close();
        if (error) reject(error); else resolve(42);
      });
    });
  },
};

// Clients with a connection that each is.
async function keep() {
  const pool = new Pool({ host: 'db.test', user: 'caller', password: 'secret', database: 'caller' });
  // Without a listener the error of a connection that nobody uses ends the process.
  pool.on('error', () => {});
  const redis = new Redis({ host: 'redis.test' });
  const kept = {
    async pg() { return (await pool.query('SELECT 6 * 7 AS answer')).rows[0].answer; },
    redis() { return redis.eval('return 6 * 7', 0); },
    fetch: clients.fetch,
  };
  for (const use of Object.values(kept)) await use();
  return kept;
}

const serve = (kept) => http.createServer(async (request, response) => {
  try {
    const [name, folder] = request.url.slice(1).split('/').reverse();
    response.end(String(await (folder === 'kept' ? kept : clients)[name]()));
  } catch (error) {
    response.statusCode = 500;
    response.end(`${error.name}: ${error.message} ${error.cause ?? ''}`);
  }
}).listen(process.env.PORT ?? 8080);

(process.env.KEEP ? keep() : Promise.resolve({})).then(serve);
