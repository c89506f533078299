#!/bin/sh
# Makes /work/vmlinux and /work/initramfs of /work/root.tar, inside the toolbox: a Debian kernel with busybox, kmod and lspci.
set -eu
cd /work
mkdir kernel system
tar -C kernel --numeric-owner -xpf root.tar --wildcards './boot/*' './usr/lib/modules/*' './lib/modules/*' './usr/lib/os-release' 2>tar.log ||
	[ -d kernel/usr/lib/modules ] || { cat tar.log; exit 1; }
version=$(ls kernel/usr/lib/modules)

sh ./vmlinux.sh "kernel/boot/vmlinuz-$version"

for directory in bin sbin usr/bin usr/sbin usr/share/misc usr/lib etc/modprobe.d etc/udev/rules.d dev proc sys tmp run root lib64 "lib/modules/$version" mnt; do
	mkdir -p "system/$directory"
done
cp /bin/busybox system/bin/busybox
chroot system /bin/busybox --install -s /bin
rm -f system/bin/modprobe system/bin/insmod system/bin/rmmod system/bin/lsmod system/bin/modinfo system/bin/depmod system/bin/lspci
# A program with the libraries it needs.
program() {
	cp -L "$1" "system/bin/${1##*/}"
	ldd "$1" | grep -o '/[^ ]*' | while read -r library; do
		mkdir -p "system${library%/*}"
		cp -L "$library" "system$library"
	done
}
program /usr/bin/kmod
program /usr/bin/lspci
for name in modprobe insmod rmmod lsmod modinfo depmod; do
	ln -s /bin/kmod "system/bin/$name"
	ln -sf /bin/kmod "system/sbin/$name"
done
cp -L /usr/share/misc/pci.ids system/usr/share/misc/
cp /etc/os-release system/usr/lib/os-release
ln -s ../usr/lib/os-release system/etc/os-release
echo testbed >system/etc/hostname
cp kernel/usr/lib/modules/"$version"/modules.order kernel/usr/lib/modules/"$version"/modules.builtin* "system/lib/modules/$version/"
ln -s usr/lib kernel/lib 2>/dev/null || :
depmod -b kernel "$version"
for module in igb igbvf nvme vfio-pci vfio_iommu_type1 snd_hda_intel snd_hda_codec_generic snd_intel8x0 snd_ens1370 \
	e1000 e1000e pcnet32 ne ne2k-pci 8139too 8139cp e100 tulip vmxnet3 \
	virtio_pci virtio_net virtio_blk virtio_scsi virtio_balloon virtio_console virtio-rng virtio_gpu \
	bochs cirrus-qemu cirrus ahci sd_mod ata_piix i2c-i801 lpc_ich xhci-pci ext4 vfat; do
	modprobe -d kernel -S "$version" --show-depends "$module" 2>/dev/null | sed -n 's/^insmod \([^ ]*\).*/\1/p'
done | sort -u | while read -r file; do
	place="system/lib/modules/$version/${file#*/lib/modules/"$version"/}"
	mkdir -p "${place%/*}"
	case $file in
	*.xz) xz -dc "$file" >"${place%.xz}" ;;
	*.zst) zstd -qdc "$file" >"${place%.zst}" ;;
	*) cp "$file" "$place" ;;
	esac
done
sed -i -e 's/\.xz$//' -e 's/\.zst$//' "system/lib/modules/$version/modules.order"
depmod -b system "$version"
install -m 755 fast-init.sh system/init
install -m 755 agent.sh system/bin/testbed-agent
(cd system && find . | LC_ALL=C sort | cpio -o -H newc -R 0:0 --quiet) >initramfs
