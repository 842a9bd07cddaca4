"""Opens a connection with the client that the path names, and answers what came over it.

With KEEP in the environment, clients that were used before the server listened are used again at /kept/NAME."""
import asyncio
import os
import smtplib
import socket
import ssl
import urllib.request
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import asyncpg
import psycopg
import redis
import requests
import statsd

CA = "/run/secrets/peers/ca.crt"
SQL = "SELECT 6 * 7"


def with_psycopg():
    with psycopg.connect(
        host="db.test", user="caller", password="secret", dbname="caller", sslmode="verify-full", sslrootcert=CA
    ) as connection:
        return connection.execute(SQL).fetchone()[0]


def with_asyncpg():
    async def ask():
        connection = await asyncpg.connect(
            host="db.test", user="caller", password="secret", database="caller", ssl=ssl.create_default_context(cafile=CA)
        )
        try:
            return await connection.fetchval(SQL)
        finally:
            await connection.close()

    return asyncio.run(ask())


def with_redis():
    client = redis.Redis(host="redis.test")
    client.incr("calls")
    return client.eval("return 6 * 7", 0)


def with_urllib():
    context = ssl.create_default_context(cafile=CA)
    with urllib.request.urlopen("https://web.test/answer", context=context) as answer:
        return answer.read().decode()


def with_requests():
    return requests.get("https://web.test/answer", verify=CA).text


def with_smtp():
    with smtplib.SMTP("mail.test", 25) as client:
        client.starttls(context=ssl.create_default_context(cafile=CA))
        refused = client.sendmail("caller@fn.example", ["owner@example.com"], "Subject: 42\r\n\r\n" + "text\r\n" * 1000)
    return 42 if not refused else refused


def with_statsd():
    statsd.StatsClient("192.0.2.1", 8125).incr("calls")
    return 42


def with_dns():
    families = {info[0] for info in socket.getaddrinfo("web.test", 443, type=socket.SOCK_STREAM)}
    return 42 if families == {socket.AF_INET, socket.AF_INET6} else families


def keep():
    """Clients with a connection that each is, by their names."""
    plain = "host=db.test user=caller password=secret dbname=caller sslmode=disable"
    connection = psycopg.connect(plain)
    loop = asyncio.new_event_loop()
    dsn = "postgres://caller:secret@db.test/caller?sslmode=disable"
    pool = loop.run_until_complete(asyncpg.create_pool(dsn, min_size=1, loop=loop))
    cache = redis.Redis(host="redis.test")
    session = requests.Session()
    kept = {
        "psycopg": lambda: connection.execute(SQL).fetchone()[0],
        "asyncpg": lambda: loop.run_until_complete(pool.fetchval(SQL)),
        "redis": lambda: cache.eval("return 6 * 7", 0),
        "requests": lambda: session.get("http://web.test/answer").text,
    }
    for use in kept.values():
        use()
    return kept


KEPT = keep() if "KEEP" in os.environ else {}


class Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        try:
            folder, _, name = self.path.strip("/").rpartition("/")
            status, content = 200, str(KEPT[name]() if folder == "kept" else globals()["with_" + name]())
        except Exception as error:  # whatever it is, the caller is to see it
            status, content = 500, f"{type(error).__name__}: {error}"
        content = content.encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)


ThreadingHTTPServer(("", int(os.environ.get("PORT", "8080"))), Handler).serve_forever()
