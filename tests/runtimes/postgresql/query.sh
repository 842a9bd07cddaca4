#!/bin/sh
# Statements on standard input, their results on standard output; what servers say goes to the log.
set -eu
data=/tmp/data
initdb -D $data -A trust -E UTF8 --locale C --no-sync >&2
pg_ctl -D $data -s -w -l /tmp/server.log -o "-k /tmp -c listen_addresses=" start >&2
psql -h /tmp -d postgres -X -q -A -t -v ON_ERROR_STOP=1 -f -
pg_ctl -D $data -s -w -m fast stop >&2
cat /tmp/server.log >&2
