# A fresh connection to PostgreSQL and one query, once for each byte of standard input.
import os
import sys
import time

import psycopg

while os.read(0, 1):
    begun = time.monotonic_ns()
    with psycopg.connect(sys.argv[1]) as connection:
        assert connection.execute("SELECT 1").fetchone() == (1,)
    print("psycopg", time.monotonic_ns() - begun, flush=True)
