// What all Node samples answer, apart from their framework.
const crypto = require('node:crypto');
const fs = require('node:fs');

let calls = 0;

module.exports = {
  count: () => String(++calls),
  echo: (body) => JSON.stringify({ echo: JSON.parse(body) }),
  uuid: () => crypto.randomUUID(),
  random: () => crypto.randomBytes(16).toString('hex'),
  file: (body) => {
    fs.writeFileSync('/tmp/written', body);
    return fs.readFileSync('/tmp/written');
  },
  fail: () => {
    throw new Error('nobody catches this');
  },
};
