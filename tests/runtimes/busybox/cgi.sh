#!/bin/sh
# One script for all routes; its name says which one it is.
answer() { printf 'Status: 200 OK\r\nContent-Type: %s\r\n\r\n' "$1"; }

case ${0##*/} in
count)
    number=$(cat /tmp/calls 2>/dev/null || echo 0)
    number=$((number + 1))
    echo $number >/tmp/calls
    answer text/plain
    printf %s $number
    ;;
uuid)
    answer text/plain
    tr -d '\n' </proc/sys/kernel/random/uuid
    ;;
random)
    answer text/plain
    head -c 16 /dev/urandom | od -An -tx1 | tr -d ' \n'
    ;;
json)
    body=$(head -c "$CONTENT_LENGTH")
    answer application/json
    printf '{"echo": %s}' "$body"
    ;;
body)
    answer application/octet-stream
    cat
    ;;
file)
    cat >/tmp/written
    answer application/octet-stream
    cat /tmp/written
    ;;
*)
    exit 1
    ;;
esac
