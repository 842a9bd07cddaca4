# Words of test.sh, for the cluster of settings.sh.

started=$(date +%s)
step() { printf '\n=== %3d s: %s\n' "$(($(date +%s) - started))" "$1"; }

fail() {
    echo "FAILED: $1" >&2
    exit 1
}

# What a person would look at.
explain() {
    {
        kubectl get pods,kimg --all-namespaces -o wide
        kubectl -n faas describe pods | tail -60
        kubectl -n faas logs --all-containers --prefix --tail 40 -l app.kubernetes.io/name=kontain-faas
        kubectl get events --all-namespaces --sort-by .lastTimestamp | tail -30
    } 2>&1 || true
    tail -n 5 "$state"/log/*.log 2>/dev/null || true
}

push_layout() { # LAYOUT:TAG REGISTRY/NAME:TAG [NAME:PASSWORD]
    skopeo copy --quiet --insecure-policy --dest-tls-verify=false ${3:+--dest-creds "$3"} "oci:$1" "docker://$2"
}

# install OPTION…: the chart as a user would, with the test's registry.
install() {
    helm upgrade --install kontain-faas "$root/deploy/chart" -n faas --create-namespace \
        --set image.repository=127.0.0.1:5000/kontain-faas,image.tag=test,crds.keep=false \
        --set "downloader.insecureRegistries={$registry,$private}" \
        --set server.resources.requests.cpu=100m,server.resources.limits.memory=2Gi \
        "$@" >"$state/log/helm.log" || fail "helm: $(cat "$state/log/helm.log")"
}

# eventually PATTERN COMMAND…: its output has a line like the pattern within two minutes.
eventually() {
    pattern=$1
    shift
    tries=0
    until output=$("$@" 2>&1 || true) && echo "$output" | grep -qE "$pattern"; do
        tries=$((tries + 1))
        [ $tries -lt 240 ] || fail "no /$pattern/ in what \`$*\` says: $output"
        sleep 0.5
    done
    echo "ok: $(echo "$output" | grep -E "$pattern" | head -1)"
}

image() { # NAME IMAGE PULL-SECRETS
    kubectl apply -f - <<END
apiVersion: build.kontain.app/v1
kind: Image
metadata: {name: $1, namespace: default}
spec: {image: "$2", imagePullSecrets: $3}
END
}

# The cluster's names: a server on the node behind the address that pods ask, which knows the Services of `default`.
names() {
    mkdir -p "$state/names"
    kubectl get services -n default -o jsonpath='{range .items[*]}{.spec.clusterIP} {.metadata.name}.default.svc.cluster.local{"\n"}{end}' \
        >"$state/names/services"
    in_node dnsmasq --keep-in-foreground --conf-file=/dev/null --no-resolv --no-hosts --bind-interfaces --user=root --pid-file= \
        --local=/cluster.local/ --listen-address="$inside" --hostsdir="$state/names" >"$state/log/names.log" 2>&1 &
    kubectl apply -f - <<END
apiVersion: v1
kind: Service
metadata: {name: kube-dns, namespace: kube-system}
spec: {clusterIP: 10.96.0.10, ports: [{name: udp, port: 53, protocol: UDP}, {name: tcp, port: 53, protocol: TCP}]}
---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {name: kube-dns, namespace: kube-system, labels: {kubernetes.io/service-name: kube-dns}}
addressType: IPv4
endpoints: [{addresses: [$inside]}]
ports: [{name: udp, port: 53, protocol: UDP}, {name: tcp, port: 53, protocol: TCP}]
END
}

# reaches WORD HOST/PORT: what the function answers that connects there.
reaches() { eventually "$1" curl -s --max-time 20 "http://$inside/default/reaches/$2"; }

first_pod() {
    kubectl -n faas get pods -l app.kubernetes.io/name=kontain-faas --field-selector status.phase=Running -o name | head -1 | cut -d/ -f2
}

# process CONTAINER: its number among the node's processes.
process() {
    word=$([ "$1" = server ] && echo serve || echo download)
    in_node pgrep -f "^/usr/local/bin/kontain-faas $word" | head -1
}

# unprivileged CONTAINER: no capability, none to be had, not root, seccomp's filter on.
unprivileged() {
    status=$(in_node cat "/proc/$(process "$1")/status")
    for line in "CapEff:	0000000000000000" "CapBnd:	0000000000000000" "NoNewPrivs:	1" "Seccomp:	2" "Uid:	65532"; do
        echo "$status" | grep -q "^$line" || fail "$1 is not held: no '$line'"
    done
    echo "ok: $1 runs as 65532 without capabilities, behind seccomp"
}

token_of() { in_node cat "/proc/$(process "$1")/root/var/run/secrets/kubernetes.io/serviceaccount/token"; }

load_begin() { # ALLOWED-FAILURES
    python3 "$here/load.py" "http://$inside/default/hello/" 4 "$1" >"$state/log/load.log" 2>&1 &
    load=$!
    sleep 2
}

load_end() {
    sleep 3
    kill -TERM "$load"
    code=0
    wait "$load" || code=$?
    cat "$state/log/load.log"
    [ $code = 0 ] || fail "calls failed"
}

# All pods are as they should be, and those that leave are gone.
settle() {
    kubectl -n faas rollout status deployment/kontain-faas --timeout 300s
    tries=0
    while [ "$(kubectl -n faas get pods -o name | wc -l)" != 2 ]; do
        tries=$((tries + 1))
        [ $tries -lt 400 ] || fail "pods do not leave"
        sleep 0.5
    done
}

# restart PROGRAM of the node: it is ended as a service manager does, and node.sh starts it again.
restart() {
    in_node sh -c "kill \$(cat /run/pids/$1)"
    sleep 15
    eventually " Ready" kubectl get node "$node"
}

# All that a release makes, in namespaces and outside.
everything() {
    for kind in deployments replicasets pods services ingresses networkpolicies poddisruptionbudgets serviceaccounts roles rolebindings \
        clusterroles clusterrolebindings customresourcedefinitions; do
        kubectl get "$kind" --all-namespaces -l app.kubernetes.io/instance=kontain-faas -o name 2>&1 | grep -v "No resources found" || true
    done
}
