#!/bin/sh
# Makes /work/system of /work/root.tar, inside the toolbox: what a host boots again and again with other files.
# vmlinux; root.ext4, which reports its drivers and turns itself off; four images of the root's own generator: with
# nothing besides, with vfio-pci, with drivers of graphics, with both; tree, what hoststate reads of such a host.
set -eu
cd /work
mkdir root system
tar -C root --numeric-owner -xpf root.tar --exclude='./dev/*'
mknod -m 666 root/dev/null c 1 3
mknod -m 600 root/dev/console c 5 1
version=$(ls root/usr/lib/modules)
sh ./vmlinux.sh "root/boot/vmlinuz-$version"
mv vmlinux system/
# Drivers of the disk, and those of network and storage that every image of a generator has.
base='virtio_blk virtio_pci ext4 e1000 e1000e 8139cp 8139too igb igbvf nvme xhci_pci'
vfio='vfio_pci vfio vfio_iommu_type1'
graphics='bochs cirrus cirrus-qemu snd_hda_intel'
for directory in modprobe.d modules-load.d udev/rules.d tmpfiles.d; do
	rm -rf "root/etc/$directory"
	mkdir -p "root/etc/$directory"
done
mount -t proc proc root/proc
make() {
	name=$1
	shift
	if [ -e root/usr/sbin/mkinitramfs ]; then
		printf 'MODULES=list\nCOMPRESS=zstd\nCOMPRESSLEVEL=1\n' >root/etc/initramfs-tools/conf.d/boots
		# What this kernel does not have is said, and left out.
		printf '%s\n' "$@" >root/etc/initramfs-tools/modules
		chroot root mkinitramfs -o "/$name" "$version"
	else
		chroot root dracut --force --quiet --no-hostonly --no-hostonly-cmdline --zstd --drivers "$*" "/$name" "$version"
	fi
	mv "root/$name" system/
}
# shellcheck disable=SC2086
{
	make plain $base
	make vfio $base $vfio
	make graphics $base $graphics
	make both $base $vfio $graphics
}
umount root/proc
printf '# nothing\n' >list
[ ! -e root/etc/initramfs-tools/modules ] || cp list root/etc/initramfs-tools/modules
rm -f root/etc/initramfs-tools/conf.d/boots

# Before the root gets what only a measurement needs.
tree=system/tree
mkdir -p "$tree/usr/lib/modules/$version" "$tree/boot/grub" "$tree/usr/sbin" "$tree/usr/bin"
cp -a root/etc "$tree/etc"
rm -rf "$tree/etc/ssl" "$tree"/etc/shadow* "$tree"/etc/gshadow*
cp root/usr/lib/modules/"$version"/modules.* "$tree/usr/lib/modules/$version/"
cp "root/boot/config-$version" "$tree/boot/"
: >"$tree/boot/vmlinuz-$version"
cp root/usr/lib/os-release "$tree/usr/lib/"
for directory in modprobe.d modules-load.d udev/rules.d tmpfiles.d dracut/modules.d; do
	[ ! -d "root/usr/lib/$directory" ] || { mkdir -p "$tree/usr/lib/$directory" && cp -a "root/usr/lib/$directory/." "$tree/usr/lib/$directory/"; }
done
for program in sbin/update-initramfs sbin/mkinitramfs bin/dracut sbin/driverctl; do
	[ ! -e "root/usr/$program" ] || cp -L "root/usr/$program" "$tree/usr/$program"
done
for program in update-grub grub-mkconfig; do
	printf '#!/bin/sh\n' >"$tree/usr/sbin/$program"
	chmod 755 "$tree/usr/sbin/$program"
done
for name in bin sbin lib lib64; do
	ln -s "usr/$name" "$tree/$name"
done
printf 'UUID=%s / ext4 errors=remount-ro 0 1\n' 0b7c5d2e-91a4-4f60-8d3b-6a2c17e9f508 >"$tree/etc/fstab"

install -D -m 755 boots-report.sh root/usr/local/sbin/boots-report
printf '# nothing\n' >root/etc/fstab
echo 5b1d5f0c0a7e4f60b2c7d1e98a3f4c6d >root/etc/machine-id
units=root/etc/systemd/system
cat >$units/boots.target <<'END'
[Unit]
Description=Which drivers devices have
Requires=sysinit.target boots.service
After=sysinit.target
AllowIsolate=yes
END
cat >$units/boots.service <<'END'
[Unit]
Description=Which drivers devices have
DefaultDependencies=no
Requires=sysinit.target
After=sysinit.target
[Service]
Type=oneshot
ExecStart=/usr/local/sbin/boots-report
END
# The events of other buses cost a minute of an emulator and bring no driver to a PCI device.
mkdir $units/systemd-udev-trigger.service.d
printf '[Service]\nExecStart=\nExecStart=udevadm trigger --type=devices --action=add --subsystem-match=pci --subsystem-match=net\n' \
	>$units/systemd-udev-trigger.service.d/boots.conf
# Nor does anything of these; udev, its settling and systemd-modules-load stay.
for unit in modprobe@configfs modprobe@dm_mod modprobe@efi_pstore modprobe@fuse modprobe@loop modprobe@drm \
	systemd-update-utmp systemd-journal-flush systemd-random-seed systemd-remount-fs \
	systemd-binfmt systemd-network-generator systemd-pcrmachine systemd-tpm2-setup-early; do
	ln -sf /dev/null "$units/$unit.service"
done
for unit in dev-hugepages.mount dev-mqueue.mount sys-kernel-debug.mount sys-kernel-tracing.mount \
	sys-fs-fuse-connections.mount sys-kernel-config.mount proc-sys-fs-binfmt_misc.automount; do
	ln -sf /dev/null "$units/$unit"
done
mke2fs -q -t ext4 -O ^has_journal -U 0b7c5d2e-91a4-4f60-8d3b-6a2c17e9f508 -d root system/root.ext4 1500M
echo "$version" >system/release
