# What the scripts of the test cluster share. Everything that is built or written lies in target/cluster.
root=$(cd "$(dirname "$0")/../.." && pwd)
work=$root/target/cluster
bin=$work/bin
state=$work/state
node=node1
cgroup=kontain-node                  # holds the whole node, in every hierarchy
veth=kfnode0                         # the machine's end of the wire to the node
outside=10.250.0.1 inside=10.250.0.2 # the machine's and the node's address on it
pods=10.244.0.0/16 services=10.96.0.0/16 api=10.96.0.1
registry=$inside:5000                # as the machine sees it; the node's containerd sees 127.0.0.1:5000
export KUBECONFIG=$state/pki/admin.conf
export PATH=$bin:$PATH
if [ -n "${KUBEBUILDER_ASSETS:-}" ]; then PATH=$PATH:$KUBEBUILDER_ASSETS; fi

# in_node COMMAND…: among the node's processes, mounts and addresses.
in_node() { nsenter --target "$(pgrep --parent "$(cat "$state/unshare.pid")")" --all -- "$@"; }
