#!/bin/sh
# The product on a real cluster of one node, as users meet it: tests/cluster/test.sh BINARIES
#
# Image and chart, a call through the ingress, rollouts and restarts under load, failures and what describe says of
# them, and what is left after uninstall. Ends the cluster when it is done; KEEP=1 leaves it up to look at.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
binaries=$(cd "$1" && pwd)
. "$here/settings.sh"
. "$here/steps.sh"
PATH=$binaries:$PATH

trap 'code=$?; [ $code = 0 ] || explain; [ -n "${KEEP:-}" ] || "$here/down.sh"; exit $code' EXIT
trap 'exit 130' INT TERM
"$here/down.sh"
"$here/programs.sh" helm
step "a cluster comes up"
"$here/up.sh" "$binaries"
# A second registry, that asks for a name and a password.
htpasswd -Bbn puller right >"$state/htpasswd"
sed -e 's/:5000/:5001/' -e "s|/registry}|/registry-private}|" "$state/registry.yaml" >"$state/private.yaml"
echo "auth: {htpasswd: {realm: private, path: $state/htpasswd}}" >>"$state/private.yaml"
in_node docker-registry serve "$state/private.yaml" >"$state/log/private.log" 2>&1 &
private=$inside:5001

step "the image and two functions are pushed"
push_layout "$root/target/image:latest" "$registry/kontain-faas:test"
kontain-faas pack -o "oci:$work/image/hello:1" --at /server -- "$root/target/demo/c-static" >/dev/null
push_layout "$work/image/hello:1" "$registry/hello:1"
# One that does not fit into a small volume, however well it is compressed.
head -c 64M /dev/urandom >"$work/image/large"
kontain-faas pack -o "oci:$work/image/big:1" --at /server --add "$work/image/large:/large" -- "$root/target/demo/c-static" >/dev/null
push_layout "$work/image/big:1" "$registry/big:1"
until curl -s "http://$private/v2/" >/dev/null; do sleep 0.2; done
push_layout "$work/image/hello:1" "$private/hello:1" puller:right

step "no node offers the device: the pod says so"
install --set device.resource=devices.example/kvm --set replicas=1
eventually "Insufficient devices.example/kvm" kubectl -n faas describe pods
eventually "device.mode=hostPath" kubectl -n faas describe pods
eventually "0 of 1 nodes offer devices.example/kvm" kontain-faas doctor --kube

step "helm installs, unprivileged and with the device"
install
kubectl -n faas rollout status deployment/kontain-faas --timeout 300s
unprivileged server
unprivileged downloader
token_of downloader >/dev/null
if token_of server >/dev/null 2>&1; then fail "the server has a token"; fi

step "a function is published from the registry and called through the ingress"
kontain-faas publish hello "docker://$registry/hello:1" -n default --wait --url "http://$inside"
eventually "static C" curl -s "http://$inside/default/hello/"
kontain-faas doctor --kube
kubectl get kimg hello
kubectl describe kimg hello | tail -20

step "a function reaches what its rules name, and nothing of the cluster's own"
kubectl run web --image=127.0.0.1:5000/hello:1 --port=8080
kubectl run bare --image=127.0.0.1:5000/hello:1 --port=8080
kubectl expose pod web --port=80 --target-port=8080
kubectl wait pod/web pod/bare --for=condition=Ready --timeout=120s
names
address() { kubectl get "$1" -o jsonpath="{$2}"; }
web=$(address service/web .spec.clusterIP) bare=$(address pod/bare .status.podIP)
musl-gcc -O1 -w -static -o "$work/reaches" "$root/tests/egress/fetches.c"
kontain-faas pack -o "oci:$work/image/reaches:1" --at /server -- "$work/reaches" >/dev/null
push_layout "$work/image/reaches:1" "$registry/reaches:1"
# The operator opens the Services by address; those of one's own namespace are open by name.
install --set "server.egress.allow={$services}"
kubectl -n faas rollout status deployment/kontain-faas --timeout 300s
kubectl apply -f - <<END
apiVersion: build.kontain.app/v1
kind: Image
metadata: {name: reaches, namespace: default}
spec:
  image: docker://$registry/reaches:1
  egress:
    - {host: web, ports: [80]}
    - {host: kubernetes, ports: [443]}
    - {cidr: $web, ports: [80]}
    - {cidr: 0.0.0.0/0, ports: [80, 443, 6443, 8080, 10250]}
END
kubectl wait kimg/reaches --for=condition=Ready --timeout=120s
for host in web web.default web.default.svc.cluster.local "$web"; do reaches "static C" "$host/80"; done
for to in kubernetes/443 "$api/443" "$inside/6443" "$inside/10250" 169.254.169.254/80 "$bare/8080"; do
    reaches "Network unreachable" "$to"
done
eventually "egress to $bare:8080 " kubectl -n faas logs -c server --tail=-1 -l app.kubernetes.io/name=kontain-faas
kubectl delete kimg/reaches pod/web pod/bare service/web --wait=false
install
settle

step "two replicas under load of four clients: a pod is deleted"
load_begin 0
kubectl -n faas delete pod "$(first_pod)"
settle
load_end

step "helm upgrade under load"
load_begin 0
install --set pod.annotations.round=two
settle
load_end

step "the kubelet is restarted under load"
load_begin 0
restart kubelet
settle
load_end

step "containerd is restarted under load"
load_begin 0
restart containerd
settle
load_end

step "a pod is killed without grace: only calls in flight on it fail"
load_begin 4
kubectl -n faas delete pod "$(first_pod)" --grace-period=0 --force
settle
load_end

step "a wrong pull secret: describe names cause and fix"
kubectl create secret docker-registry wrong --docker-server="$private" --docker-username=puller --docker-password=wrong
kubectl create secret docker-registry right --docker-server="$private" --docker-username=puller --docker-password=right
image secret "docker://$private/hello:1" '[{"name": "wrong"}]'
eventually "may not read the .*create rolebinding kontain-faas-secrets" kubectl describe kimg secret
kubectl -n default create rolebinding kontain-faas-secrets --clusterrole=kontain-faas-secrets \
    --serviceaccount=faas:kontain-faas
eventually "credentials are wrong.*name a pull secret" kubectl describe kimg secret
kubectl describe kimg secret | tail -15
image secret "docker://$private/hello:1" '[{"name": "right"}]'
kubectl wait kimg/secret --for=condition=Ready --timeout=120s

step "a full volume: describe names cause and fix"
install --set volume.emptyDir.medium=Memory --set volume.emptyDir.sizeLimit=24Mi --set replicas=1 \
    --set server.snapshotBudget=8Mi --set downloader.keepLayers=8Mi
image big "docker://$registry/big:1" '[]'
eventually "(No space left on device|the volume holds).*free space on the volume" kubectl describe kimg big
kubectl describe kimg big | tail -8

step "uninstall leaves nothing"
helm uninstall kontain-faas -n faas --wait --timeout 180s
eventually "^$" everything
if in_node pgrep -f "^/usr/local/bin/kontain-faas"; then fail "processes are left"; fi
eventually "^$" find "$state/kubelet/pods" -path "*/kubernetes.io~empty-dir/kontain"
echo "everything checked"
