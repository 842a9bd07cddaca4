"""http.server of the standard library."""
import os
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import routes


class Handler(BaseHTTPRequestHandler):
    gets = {"/count": routes.count, "/uuid": routes.unique, "/random": routes.random, "/fail": routes.fail}
    posts = {"/json": routes.echo, "/body": routes.same, "/file": routes.file}

    def do_GET(self):
        self.answer(self.gets[self.path]())

    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.answer(self.posts[self.path](body))

    def answer(self, content):
        content = content.encode() if isinstance(content, str) else content
        self.send_response(200)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)


ThreadingHTTPServer(("", int(os.environ.get("PORT", "8080"))), Handler).serve_forever()
