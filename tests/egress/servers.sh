#!/bin/sh
# Real servers on 192.0.2.1 for tests of what functions reach: tests/egress/servers.sh FOLDER
#
#   5432 PostgreSQL with TLS and SCRAM, user `caller`, password `secret`      6379 Redis
#   25 aiosmtpd with STARTTLS, which forgets what it is sent
#   80, 443 nginx: /answer, /bytes (1 MiB), and a git repository below /code.git
#
# Certificates are of an authority made here: FOLDER/ca.crt. Prints `ready` when all listen, and ends all of them when
# its standard input ends. Needs root and the address.
set -eu
folder=$1
address=192.0.2.1
cd "$folder"
chmod 755 .

certificates() {
    openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj /CN=authority -keyout ca.key -out ca.crt
    openssl req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj /CN=peers -keyout peer.key -out peer.csr
    echo "subjectAltName=DNS:db.test,DNS:web.test,DNS:redis.test,DNS:mail.test,IP:$address" >names
    openssl x509 -req -in peer.csr -CA ca.crt -CAkey ca.key -CAcreateserial -days 2 -extfile names -out peer.crt
} 2>/dev/null

postgres() {
    bin=$(ls -d /usr/lib/postgresql/*/bin | tail -1)
    mkdir database
    cp peer.key database.key
    chown postgres database database.key
    chmod 600 database.key
    as_postgres="setpriv --reuid postgres --regid postgres --clear-groups"
    $as_postgres "$bin/initdb" --pgdata database --auth-local trust --auth-host scram-sha-256 >/dev/null
    echo "host all all $address/32 scram-sha-256" >>database/pg_hba.conf
    $as_postgres "$bin/postgres" -D database -h "$address" -k "$folder/database" -c ssl=on -c max_connections=50 \
        -c ssl_cert_file="$folder/peer.crt" -c ssl_key_file="$folder/database.key" -c fsync=off >postgres.log 2>&1 &
    running="$running $!"
    until $as_postgres "$bin/pg_isready" -q -h "$folder/database"; do
        kill -0 $! || { cat postgres.log >&2 && exit 1; }
        sleep 0.1
    done
    $as_postgres psql -q -h "$folder/database" -d postgres -c "CREATE ROLE caller LOGIN PASSWORD 'secret'" \
        -c "CREATE DATABASE caller OWNER caller"
}

web() {
    mkdir -p site
    printf 42 >site/answer
    head -c 1048576 /dev/zero >site/bytes
    git init -q code
    git -C code -c user.name=peer -c user.email=peer@example commit -q --allow-empty -m 42
    git clone -q --bare code site/code.git
    git -C site/code.git update-server-info
    cat >nginx.conf <<END
worker_processes 1; daemon off; pid $folder/nginx.pid; error_log $folder/nginx.log;
events { worker_connections 512; }
http {
    access_log off;
    server {
        listen $address:80; listen [2001:db8::1]:80; listen $address:443 ssl; listen [2001:db8::1]:443 ssl;
        ssl_certificate $folder/peer.crt; ssl_certificate_key $folder/peer.key;
        root $folder/site; default_type text/plain;
    }
}
END
    nginx -c "$folder/nginx.conf" -e "$folder/nginx.log" &
    running="$running $!"
}

running=
trap 'kill $running; wait' EXIT
certificates
postgres
redis-server --bind "$address" --save "" --protected-mode no --dir "$folder" >redis.log 2>&1 &
running="$running $!"
/usr/bin/python3 -I -m aiosmtpd -n -l "$address:25" -c aiosmtpd.handlers.Sink --tlscert peer.crt --tlskey peer.key >smtp.log 2>&1 &
running="$running $!"
web
until [ "$(curl -s -m 1 "telnet://$address:25" </dev/null | cut -c1-3)" = 220 ]; do sleep 0.1; done
until curl -s -o /dev/null "http://$address/answer" && redis-cli -h "$address" ping >/dev/null 2>&1; do sleep 0.1; done
echo ready
cat >/dev/null
