#!/bin/sh
# Makes the kernel and the base of an initramfs in a folder, once: kernel.sh FOLDER
#
# Debian's kernel package is downloaded and unpacked, nothing is installed. Base: busybox, the modules of KVM on AMD
# processors, and the /init that loads them and runs /work/.script.
set -eu
cache=${1:?usage: kernel.sh FOLDER}
here=$(cd "$(dirname "$0")" && pwd)
stamp=$(cat "$here/kernel.sh" "$here/init" | cksum | tr ' ' -)
mkdir -p "$cache"
# Several tests may want it at once.
exec 9>"$cache/lock"
flock 9
[ -e "$cache/made-$stamp" ] && exit 0

rm -rf "$cache/unpacked" "$cache/base" "$cache"/made-*
mkdir -p "$cache/packages" "$cache/unpacked" "$cache/base"
if ! ls "$cache"/packages/linux-image-*.deb >/dev/null 2>&1; then
    # linux-image-amd64 is an empty package that depends on the current kernel.
    kernel=$(apt-cache depends linux-image-amd64 | sed -n 's/^ *Depends: \(linux-image-[0-9].*\)$/\1/p' | head -1)
    (cd "$cache/packages" && apt-get download -qq "$kernel")
fi
dpkg-deb -x "$(ls "$cache"/packages/linux-image-*.deb | head -1)" "$cache/unpacked"
cp "$cache"/unpacked/boot/vmlinuz-* "$cache/vmlinuz"

base=$cache/base
mkdir -p "$base/bin" "$base/dev" "$base/proc" "$base/sys" "$base/tmp" "$base/modules"
cp "$(command -v busybox)" "$base/bin/busybox"
cp "$here/init" "$base/init"
chmod +x "$base/init"
# In the order in which they are loaded; what this kernel has built in is not there as a file.
for module in irqbypass ccp kvm kvm-amd; do
    find "$cache/unpacked" -name "$module.ko*" -exec cp {} "$base/modules/" \;
done
for module in "$base"/modules/*.xz; do [ ! -e "$module" ] || xz -d "$module"; done
rm -rf "$cache/unpacked"
: >"$cache/made-$stamp"
