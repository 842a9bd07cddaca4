// Answers a call. `event` has method, path, query, headers and body (a Buffer).
module.exports = async (event, context) => {
  const name = event.body.toString() || "world";
  return { statusCode: 200, body: `Hello, ${name}!\n` };
};
