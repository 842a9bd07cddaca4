"""What all Python samples answer, apart from their framework."""
import json
import ssl
import uuid

calls = 0


def count():
    global calls
    calls += 1
    return str(calls)


def echo(body):
    return json.dumps({"echo": json.loads(body)})


def same(body):
    return body


def unique():
    return str(uuid.uuid4())


def random():
    """OpenSSL's generator, which lives in the program's memory."""
    return ssl.RAND_bytes(16).hex()


def file(body):
    with open("/tmp/written", "wb") as written:
        written.write(body)
    with open("/tmp/written", "rb") as written:
        return written.read()


def fail():
    raise RuntimeError("nobody catches this")
