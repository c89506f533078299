#!/bin/sh
# Makes /work/disk.raw of /work/root.tar, inside the toolbox: a Debian host installed on a SATA disk that boots by BIOS and by EFI.
# GPT with a BIOS boot partition, an ESP and an ext4 root; what needs the running host is done by finish-disk.sh in its first boot.
set -eu
cd /work
root_uuid=11111111-2222-3333-4444-555555555555 esp_uuid=ABCD-1234 size=2600 esp_size=34
mkdir root
tar -C root --numeric-owner -xpf root.tar --exclude='./dev/*'
if [ -e kernel.tar ]; then
	rm -rf root/boot/* root/usr/lib/modules/*
	tar -C root --numeric-owner -xpf kernel.tar
fi
mknod -m 666 root/dev/null c 1 3
mknod -m 600 root/dev/console c 5 1
mkdir -p root/boot/efi
cat >root/etc/fstab <<EOF
UUID=$root_uuid / ext4 errors=remount-ro 0 1
UUID=$esp_uuid /boot/efi vfat umask=0077,nofail 0 2
EOF
echo testbed >root/etc/hostname
printf '127.0.0.1 localhost\n127.0.1.1 testbed\n' >root/etc/hosts
echo ea9a1111222233334444555555555555 >root/etc/machine-id
cp root/usr/share/grub/default/grub root/etc/default/grub
# Kernels check the timer by counting its interrupts for a moment, and panic when an emulator on a busy machine was not
# scheduled in it; under KVM they know better by themselves.
sed -i -e 's/^GRUB_TIMEOUT=.*/GRUB_TIMEOUT=0/' \
	-e 's/^GRUB_CMDLINE_LINUX=.*/GRUB_CMDLINE_LINUX="console=tty0 console=ttyS0,115200 no_timer_check"/' root/etc/default/grub
printf 'GRUB_TERMINAL=serial\nGRUB_DISABLE_OS_PROBER=true\n' >>root/etc/default/grub
# The image of a SATA machine: what its root needs, as MODULES=dep would find on one.
printf 'MODULES=list\nCOMPRESS=zstd\nCOMPRESSLEVEL=1\n' >root/etc/initramfs-tools/conf.d/testbed
printf 'ahci\nsd_mod\next4\n' >>root/etc/initramfs-tools/modules
sh ./install-agent.sh root
modules=$(echo root/lib/modules/*)
for directory in drivers/media drivers/infiniband drivers/isdn drivers/staging drivers/bluetooth drivers/net/wireless \
	drivers/gpu/drm/amd drivers/gpu/drm/nouveau drivers/gpu/drm/i915 drivers/gpu/drm/xe drivers/iio drivers/hwmon \
	sound/soc net/bluetooth net/mac80211 fs/ocfs2 fs/ceph fs/nfs fs/nfsd fs/xfs fs/btrfs fs/f2fs fs/bcachefs fs/smb; do
	rm -rf "$modules/kernel/$directory"
done
version=${modules##*/}
chroot root depmod "$version"
mount -t proc proc root/proc
chroot root update-initramfs -u -k "$version"
umount root/proc
mkdir -p root/boot/grub/i386-pc
cp root/usr/lib/grub/i386-pc/*.mod root/usr/lib/grub/i386-pc/*.lst root/boot/grub/i386-pc/
cat >root/boot/grub/grub.cfg <<EOF
serial --unit=0 --speed=115200
terminal_input serial
terminal_output serial
search --no-floppy --fs-uuid --set=root $root_uuid
linux /boot/vmlinuz-$version root=UUID=$root_uuid ro console=ttyS0,115200 no_timer_check quiet
initrd /boot/initrd.img-$version
boot
EOF

truncate -s ${esp_size}M esp
mkfs.vfat -F 32 -i "$(echo $esp_uuid | tr -d -)" -n ESP esp >/dev/null
mmd -i esp ::EFI ::EFI/BOOT ::EFI/debian
loader=root/usr/lib/grub/x86_64-efi/monolithic/grubx64.efi
mcopy -i esp $loader ::EFI/BOOT/BOOTX64.EFI
mcopy -i esp $loader ::EFI/debian/grubx64.efi
# shellcheck disable=SC2016 # GRUB's variables, not the shell's.
printf 'search.fs_uuid %s root\nset prefix=($root)/boot/grub\nconfigfile $prefix/grub.cfg\n' $root_uuid >stub
mcopy -i esp stub ::EFI/debian/grub.cfg
mcopy -i esp stub ::EFI/BOOT/grub.cfg

chroot root grub-mkimage -O i386-pc -p '(hd0,gpt3)/boot/grub' -o /tmp/core.img biosdisk part_gpt ext2 search_fs_uuid
mv root/tmp/core.img .
cp root/usr/lib/grub/i386-pc/boot.img .
root_size=$((size - esp_size - 4))
mke2fs -q -t ext4 -U $root_uuid -L root -O ^metadata_csum_seed,^orphan_file -E lazy_itable_init=1 -d root rootfs ${root_size}M
truncate -s ${size}M disk.raw
sgdisk -o -n 1:2048:4095 -t 1:ef02 -n 2:4096:+${esp_size}M -t 2:ef00 -n 3:0:+${root_size}M -t 3:8300 disk.raw >/dev/null
sh ./put-partition.sh esp 2
sh ./put-partition.sh rootfs 3
sh ./put-bios-grub.sh boot.img core.img 2048
