#!/bin/sh
# Runs a shell script inside a Linux with hardware KVM: tests/qemu/run.sh 'SCRIPT' [FILE…]
#
# QEMU emulates an AMD processor with SVM and nested paging, so /dev/kvm in there is the one of kvm-amd and not this
# machine's. Its timings mean nothing, its behaviour is that of hardware. The files, static binaries above all, lie in
# /work inside (a folder with all that is in it); the script runs there with busybox's shell and tools. What it prints
# comes out here, its exit status is this program's. LIMIT (seconds, 300) ends what hangs, MEMORY (2048) is in MiB.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
cache=$(cd "$here/../.." && pwd)/target/qemu
script=${1:?usage: run.sh SCRIPT [FILE…]}
shift
mkdir -p "$cache"
"$here/kernel.sh" "$cache"

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mkdir -p "$work/root/work"
cp -R "$cache/base/." "$work/root"
for file in "$@"; do cp -RL "$file" "$work/root/work/"; done
printf '%s\n' "$script" >"$work/root/work/.script"
(cd "$work/root" && find . | cpio --quiet -o -H newc) >"$work/initramfs"

status=0
timeout "${LIMIT:-300}" qemu-system-x86_64 -machine q35 -accel tcg,thread=multi -cpu EPYC,svm=on,npt=on \
    -smp "${CPUS:-1}" -m "${MEMORY:-2048}" -nographic -no-reboot -nodefaults -serial file:"$work/console" \
    -kernel "$cache/vmlinuz" -initrd "$work/initramfs" \
    -append "console=ttyS0 rdinit=/init quiet panic=-1 mitigations=off" </dev/null >"$work/qemu" 2>&1 || status=$?
tr -d '\r' <"$work/console" >"$work/plain"
# The script's own output lies between two marks; the rest is the kernel's.
if ! grep -q '^=== script ended with ' "$work/plain"; then
    cat "$work/plain" "$work/qemu"
    echo "the machine ended before the script did (qemu's status $status)" >&2
    exit 125
fi
sed -n '/=== script begins$/,/^=== script ended with /p' "$work/plain" | sed '1d;$d'
exit "$(sed -n 's/^=== script ended with //p' "$work/plain")"
