"""A server on Python's own http.server.

GET / greets, POST /echo sends the body back, GET /random gives 16 random bytes in hex. X-Count is the number of calls
that this process has served. Every call has a machine of its own, so the server needs no thread for each.
"""

import os
import secrets
from http.server import BaseHTTPRequestHandler, HTTPServer


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    count = 0

    def answer(self, status, body, kind="text/plain"):
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("X-Count", str(Handler.count))
        self.end_headers()
        self.wfile.write(body)

    def do_GET(self):
        Handler.count += 1
        if self.path == "/":
            self.answer(200, b"hello from Python\n")
        elif self.path == "/random":
            self.answer(200, secrets.token_hex(16).encode() + b"\n")
        else:
            self.answer(404, b"no such page\n")

    def do_POST(self):
        Handler.count += 1
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self.answer(200, body, "application/octet-stream")


if __name__ == "__main__":
    HTTPServer(("", int(os.environ.get("PORT", "8080"))), Handler).serve_forever()
