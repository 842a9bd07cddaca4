const assert = require("node:assert");
const { test } = require("node:test");
const handle = require("./handler");

test("it greets", async () => {
  const answer = await handle({ method: "POST", path: "/", query: {}, headers: {}, body: Buffer.from("you") });
  assert.strictEqual(answer.body, "Hello, you!\n");
});
