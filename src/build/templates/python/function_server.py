"""Listens on $PORT and has handler.py answer: handle(event, context) gives a text, bytes, or a dictionary with statusCode,
headers and body, in which everything else becomes JSON."""
import json
import os
import types
from http.server import BaseHTTPRequestHandler, HTTPServer
from urllib.parse import parse_qs, urlsplit

import handler


class Server(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def read_body(self):
        if self.headers.get("Transfer-Encoding", "").lower() != "chunked":
            return self.rfile.read(int(self.headers.get("Content-Length", 0)))
        body = b""
        while size := int(self.rfile.readline().split(b";")[0], 16):
            body += self.rfile.read(size)
            self.rfile.readline()
        while self.rfile.readline().strip():
            pass
        return body

    def answer(self):
        url = urlsplit(self.path)
        event = types.SimpleNamespace(
            method=self.command, path=url.path, query=parse_qs(url.query), headers=self.headers, body=self.read_body()
        )
        context = types.SimpleNamespace(call_id=self.headers.get("X-Call-Id"))
        answer = handler.handle(event, context)
        if not (isinstance(answer, dict) and "statusCode" in answer):
            answer = {"statusCode": 200, "body": answer}
        body, headers = answer.get("body", b""), dict(answer.get("headers", {}))
        kind = "text/plain; charset=utf-8"
        if body is None:
            body = b""
        elif isinstance(body, str):
            body = body.encode()
        elif isinstance(body, bytes):
            kind = "application/octet-stream"
        else:
            body, kind = json.dumps(body).encode(), "application/json"
        headers.setdefault("Content-Type", kind)
        self.send_response(answer["statusCode"])
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    do_GET = do_HEAD = do_POST = do_PUT = do_PATCH = do_DELETE = do_OPTIONS = answer


HTTPServer(("", int(os.environ.get("PORT", 8080))), Server).serve_forever()
