#!/bin/sh
# Ends what up.sh began, and leaves nothing of it on the machine: tests/cluster/down.sh [--keep]
#
# The namespaces' process 1 takes processes, mounts, addresses and sockets with it. --keep keeps the cluster's state.
set -u
. "$(dirname "$0")/settings.sh"
if [ -e "$state/unshare.pid" ]; then
    pid=$(cat "$state/unshare.pid")
    # The number may be another process's by now.
    if grep -qs node.sh "/proc/$pid/cmdline"; then kill -9 "$pid"; fi
    while grep -qs node.sh "/proc/$pid/cmdline"; do sleep 0.1; done
    rm -f "$state/unshare.pid"
fi
ip link del "$veth" 2>/dev/null
# A control group can go when its last process is gone, and those below it are.
for group in /sys/fs/cgroup/*/"$cgroup" /sys/fs/cgroup/"$cgroup"; do
    tries=0
    while [ -d "$group" ] && [ $tries -lt 50 ]; do
        find "$group" -depth -type d -exec rmdir {} \; 2>/dev/null
        tries=$((tries + 1))
        [ ! -d "$group" ] || sleep 0.1
    done
done
if [ -e "$state/made-var-lib-kubelet" ]; then rmdir /var/lib/kubelet && rm "$state/made-var-lib-kubelet"; fi
[ "${1:-}" = --keep ] || rm -rf "$state" "$work/image"
