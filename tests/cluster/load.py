#!/usr/bin/env python3
"""Calls a function from several clients until SIGTERM, and tells of every call that failed.

usage: load.py URL CLIENTS [ALLOWED-FAILURES]     exit code 1 when more calls failed than allowed, or none succeeded
"""
import http.client
import signal
import sys
import threading
import time
from urllib.parse import urlsplit

url = urlsplit(sys.argv[1])
clients = int(sys.argv[2])
allowed = int(sys.argv[3]) if len(sys.argv) > 3 else 0
stop = threading.Event()
lock = threading.Lock()
answered = 0
failures = []
slowest = 0.0


def once(connection):
    """One call: nothing if it was answered with 200, else what came instead."""
    connection.request("GET", url.path)
    response = connection.getresponse()
    body = response.read()
    return None if response.status == 200 else f"{response.status} {body[:300]!r}"


def client():
    global answered, slowest
    connection = http.client.HTTPConnection(url.hostname, url.port or 80, timeout=60)
    while not stop.is_set():
        start = time.monotonic()
        try:
            failure = once(connection)
        except (OSError, http.client.HTTPException) as error:
            failure = repr(error)
            connection.close()
        with lock:
            slowest = max(slowest, time.monotonic() - start)
            if failure is None:
                answered += 1
            else:
                failures.append(f"{time.strftime('%H:%M:%S')} after {time.monotonic() - start:.3f} s: {failure}")
        # Clients that think: the machine has other work in this test.
        time.sleep(0.02 if failure is None else 0.2)


for number in (signal.SIGTERM, signal.SIGINT):
    signal.signal(number, lambda *_: stop.set())
threads = [threading.Thread(target=client) for _ in range(clients)]
for thread in threads:
    thread.start()
for thread in threads:
    while thread.is_alive():
        thread.join(0.2)
for failure in failures[:20]:
    print("failed call:", failure)
print(f"{answered} calls answered, {len(failures)} failed (allowed {allowed}), the slowest took {slowest:.2f} s")
sys.exit(0 if answered > 0 and len(failures) <= allowed else 1)
