"""Counter, file and echo are rows of a database; each request opens it anew, as the server's threads do."""
import json
import sqlite3

import routes


def database():
    connection = sqlite3.connect("/var/data.db", timeout=10)
    mode = connection.execute("pragma journal_mode = wal").fetchone()[0]
    assert mode == "wal", mode
    return connection


def count():
    with database() as connection:
        connection.execute("update counter set value = value + 1")
        return str(connection.execute("select value from counter").fetchone()[0])


def echo(body):
    with database() as connection:
        row = connection.execute("select json(?), sqlite_version() >= '3'", (body.decode(),)).fetchone()
        return '{"echo": %s, "rows": %s}' % (row[0], json.dumps(row[1]))


def file(body):
    with database() as connection:
        connection.execute("insert into bodies values (?)", (body,))
    # Another connection sees what the first one committed to the log.
    with database() as connection:
        return connection.execute("select body from bodies order by rowid desc limit 1").fetchone()[0]


with database() as made:
    made.execute("create table counter (value integer)")
    made.execute("insert into counter values (0)")
    made.execute("create table bodies (body blob)")

routes.count, routes.echo, routes.file = count, echo, file

import server  # noqa: E402,F401  it reads the routes when it is imported, and serves
