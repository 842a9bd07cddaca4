"""A Flask application; started by itself it is its own server, and gunicorn imports it."""
import os

import routes
from flask import Flask, Response, request

app = Flask(__name__)

for path, answer in {"count": routes.count, "uuid": routes.unique, "random": routes.random, "fail": routes.fail}.items():
    app.add_url_rule("/" + path, path, answer)


@app.post("/json")
def echo():
    return Response(routes.echo(request.get_data()), mimetype="application/json")


@app.post("/body")
def body():
    return Response(request.get_data(), mimetype="application/octet-stream")


@app.post("/file")
def file():
    return Response(routes.file(request.get_data()), mimetype="application/octet-stream")


if __name__ == "__main__":
    app.run("0.0.0.0", int(os.environ.get("PORT", "8080")), threaded=True)
