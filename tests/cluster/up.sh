#!/bin/sh
# Brings up a Kubernetes of one node: tests/cluster/up.sh BINARIES
#
# etcd, API server, controllers, scheduler, containerd, kubelet, kube-proxy, a registry, an ingress controller and a device plugin
# for /dev/kvm, all in one set of namespaces: outside show a network device, two routes and a control group. As root.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
binaries=$(cd "$1" && pwd)
. "$here/settings.sh"
if [ -e "$state/unshare.pid" ]; then
    echo "the cluster is up already; tests/cluster/down.sh ends it" >&2
    exit 1
fi
"$here/apiserver.sh"
"$here/programs.sh" kvm-device-plugin kube-node traefik
"$here/pki.sh"
"$here/configuration.sh"
if [ ! -e /var/lib/kubelet ]; then
    mkdir /var/lib/kubelet
    touch "$state/made-var-lib-kubelet"
fi

# The first version has many hierarchies, and runc and the kubelet look for it in each; the second has one.
if [ -e /sys/fs/cgroup/cgroup.controllers ]; then
    mkdir -p "/sys/fs/cgroup/$cgroup"
    for controller in $(cat /sys/fs/cgroup/cgroup.controllers); do
        echo "+$controller" >/sys/fs/cgroup/cgroup.subtree_control 2>/dev/null || true
    done
else
    for hierarchy in /sys/fs/cgroup/*/; do
        [ -e "$hierarchy/cgroup.procs" ] || continue
        mkdir -p "$hierarchy$cgroup"
        [ ! -e "$hierarchy/cpuset.cpus" ] || for file in cpuset.cpus cpuset.mems; do
            cat "$hierarchy/$file" >"$hierarchy$cgroup/$file"
        done
    done
fi

unshare --mount --net --pid --uts --ipc --fork --kill-child --propagation private --mount-proc \
    sh "$here/node.sh" >"$state/log/node.log" 2>&1 </dev/null &
echo $! >"$state/unshare.pid"
until init=$(pgrep --parent "$(cat "$state/unshare.pid")"); do sleep 0.1; done
ip link add "$veth" type veth peer name eth0 netns "$init"
ip addr add "$outside/30" dev "$veth"
ip link set "$veth" up
ip route add "$services" via "$inside"
ip route add "$pods" via "$inside"

# What runs in the cluster comes from its registry, packed by the program under test.
push() { # NAME FILE
    rm -rf "$work/image/$1"
    "$binaries/kontain-faas" pack -o "oci:$work/image/$1:1" --at "/$1" -- "$2" >/dev/null
    skopeo copy --quiet --insecure-policy --dest-tls-verify=false "oci:$work/image/$1:1" "docker://$registry/$1:1"
}
musl-gcc -Os -static -s -o "$bin/pause" "$here/pause.c"
until curl -sf "http://$registry/v2/" >/dev/null; do sleep 0.2; done
for name in pause kvm-device-plugin traefik; do push "$name" "$bin/$name"; done

until kubectl get node "$node" 2>/dev/null | grep -q ' Ready'; do
    kill -0 "$(cat "$state/unshare.pid")" || { tail "$state"/log/*.log; exit 1; }
    sleep 0.3
done
kubectl apply -f "$here/manifests" >/dev/null
kubectl -n kube-system rollout status daemonset/traefik --timeout 120s
kubectl -n kube-system rollout status daemonset/kvm-device-plugin --timeout 120s
kubectl get node "$node"
