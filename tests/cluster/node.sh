#!/bin/sh
# The node's process 1, started by up.sh in namespaces of its own.
set -u
. "$(dirname "$0")/settings.sh"
cd "$state"
mkdir -p etcd kubelet varlog
mount --make-rshared /
mount -t tmpfs tmpfs /run
mkdir -p /run/lock /run/pids
mount --bind kubelet /var/lib/kubelet
mount --bind varlog /var/log
# The kubelet would write these for the whole machine; what it finds right it leaves alone.
for setting in vm/overcommit_memory=1 vm/panic_on_oom=0 kernel/panic=10 kernel/panic_on_oops=1 \
    kernel/keys/root_maxkeys=1000000 kernel/keys/root_maxbytes=25000000; do
    file=/run/sysctl.$(echo "${setting%=*}" | tr / .)
    echo "${setting#*=}" >"$file"
    mount --bind "$file" "/proc/sys/${setting%=*}"
done
hostname "$node"
until ip link show eth0 >/dev/null 2>&1; do sleep 0.1; done
ip link set lo up
ip addr add "$inside/30" dev eth0
ip link set eth0 up
ip route add default via "$outside"
sysctl -qw net.ipv4.ip_forward=1 net.bridge.bridge-nf-call-iptables=1

# keep NAME COMMAND…: started again whenever it ends, as a service manager would.
keep() {
    name=$1
    shift
    while :; do
        "$@" >>"log/$name.log" 2>&1 </dev/null &
        echo $! >"/run/pids/$name"
        wait $!
        sleep 1
    done
}

keep etcd etcd --data-dir etcd --unsafe-no-fsync --listen-client-urls http://127.0.0.1:2379 \
    --advertise-client-urls http://127.0.0.1:2379 --listen-peer-urls http://127.0.0.1:2380 &
keep registry docker-registry serve registry.yaml &
keep containerd containerd -c containerd.toml &
keep kube-apiserver kube-apiserver --etcd-servers http://127.0.0.1:2379 --bind-address 0.0.0.0 --advertise-address "$inside" \
    --tls-cert-file pki/apiserver.crt --tls-private-key-file pki/apiserver.key --client-ca-file pki/ca.crt \
    --kubelet-client-certificate pki/kubelet-client.crt --kubelet-client-key pki/kubelet-client.key \
    --kubelet-preferred-address-types InternalIP --token-auth-file pki/tokens.csv \
    --service-account-key-file pki/sa.key --service-account-signing-key-file pki/sa.key \
    --service-account-issuer https://kubernetes.default.svc.cluster.local \
    --authorization-mode Node,RBAC --enable-admission-plugins NodeRestriction --allow-privileged \
    --service-cluster-ip-range "$services" &
until [ "$(kubectl get --raw /readyz 2>/dev/null)" = ok ]; do sleep 0.2; done
keep controller-manager kube-node controller-manager --kubeconfig pki/controller-manager.conf --leader-elect=false \
    --service-account-private-key-file pki/sa.key --root-ca-file pki/ca.crt --use-service-account-credentials \
    --cluster-signing-cert-file pki/ca.crt --cluster-signing-key-file pki/ca.key &
keep scheduler kube-node scheduler --kubeconfig pki/scheduler.conf --leader-elect=false &
until ctr version >/dev/null 2>&1; do sleep 0.2; done
keep kubelet kube-node kubelet --config kubelet.yaml --kubeconfig pki/kubelet.conf --hostname-override "$node" --node-ip "$inside" &
# A network namespace may not change these limits of connection tracking.
keep proxy kube-node proxy --kubeconfig pki/proxy.conf --hostname-override "$node" --cluster-cidr "$pods" --proxy-mode iptables \
    --conntrack-max-per-core 0 --conntrack-tcp-timeout-established 0s --conntrack-tcp-timeout-close-wait 0s &
wait
