#!/bin/sh
# Certificates and kubeconfigs of the test cluster: tests/cluster/pki.sh. One authority signs the API server's and
# the kubelet's client certificate; everybody else has a token.
set -eu
. "$(dirname "$0")/settings.sh"
[ ! -e "$state/pki/done" ] || exit 0
mkdir -p "$state/pki"
cd "$state/pki"

sign() { # NAME SUBJECT EXTENSION
    echo "$3" >"$1.ext"
    openssl req -newkey rsa:2048 -nodes -keyout "$1.key" -out "$1.csr" -subj "$2" 2>/dev/null
    openssl x509 -req -in "$1.csr" -CA ca.crt -CAkey ca.key -CAcreateserial -days 3650 -out "$1.crt" -extfile "$1.ext" 2>/dev/null
}

openssl req -x509 -newkey rsa:2048 -nodes -keyout ca.key -out ca.crt -days 3650 -subj /CN=test-cluster 2>/dev/null
name=kubernetes.default.svc
sign apiserver /CN=kube-apiserver \
    "subjectAltName=IP:127.0.0.1,IP:$inside,IP:$api,DNS:kubernetes,DNS:kubernetes.default,DNS:$name,DNS:$name.cluster.local"
sign kubelet-client /O=system:masters/CN=kube-apiserver-kubelet-client extendedKeyUsage=clientAuth
openssl genrsa -out sa.key 2048 2>/dev/null

# account FILE USER [GROUP]
: >tokens.csv
number=0
account() {
    number=$((number + 1))
    token=$(openssl rand -hex 16)
    echo "$token,$2,$number${3:+,$3}" >>tokens.csv
    cat >"$1.conf" <<END
apiVersion: v1
kind: Config
current-context: test
contexts: [{name: test, context: {cluster: test, user: $1}}]
clusters: [{name: test, cluster: {server: "https://$inside:6443", certificate-authority-data: $(base64 -w0 ca.crt)}}]
users: [{name: $1, user: {token: $token}}]
END
}
account admin admin system:masters
account kubelet "system:node:$node" system:nodes
account controller-manager system:kube-controller-manager
account scheduler system:kube-scheduler
account proxy system:kube-proxy
touch done
