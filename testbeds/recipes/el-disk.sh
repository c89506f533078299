#!/bin/sh
# Makes /work/disk.raw of /work/root.tar and the GRUB of /work/grub.tar, inside the toolbox: a host as CentOS Stream 9 sets it up.
# GPT with a BIOS boot partition, an ESP, /boot and root (both ext4); boot entries that GRUB's blscfg reads at boot; dracut.
# The packages are Debian's, for CentOS has none here: what is EL's are the places, the files and the habits.
set -eu
cd /work
root_uuid=22222222-2222-3333-4444-555555555555 boot_uuid=33333333-2222-3333-4444-555555555555 esp_uuid=ABCD-5678
machine=ea9a4444222233334444555555555555 size=3100 esp_size=34 boot_size=500
mkdir root grub
tar -C grub --numeric-owner -xpf grub.tar --exclude='./dev/*'
tar -C root --numeric-owner -xpf root.tar --exclude='./dev/*'
mknod -m 666 root/dev/null c 1 3
mknod -m 600 root/dev/console c 5 1
ln -s /proc/self/fd root/dev/fd
# systemd gives up on a device after 90 s, in which an emulated machine on a busy one has not found it.
cat >root/etc/fstab <<EOF
UUID=$root_uuid / ext4 defaults 0 0
UUID=$boot_uuid /boot ext4 defaults,x-systemd.device-timeout=600 0 0
UUID=$esp_uuid /boot/efi vfat umask=0077,nofail 0 2
EOF
rm -f root/etc/os-release root/etc/debian_version
cat >root/etc/os-release <<EOF
NAME="CentOS Stream"
VERSION="9"
ID="centos"
ID_LIKE="rhel fedora"
VERSION_ID="9"
PLATFORM_ID="platform:el9"
PRETTY_NAME="CentOS Stream 9 (as far as a testbed made of Debian's packages can be one)"
EOF
echo testbed >root/etc/hostname
echo $machine >root/etc/machine-id
sh ./install-agent.sh root
for modules in root/usr/lib/modules/*; do
	for directory in drivers/media drivers/infiniband drivers/isdn drivers/staging drivers/bluetooth drivers/net/wireless \
		drivers/gpu/drm/amd drivers/gpu/drm/nouveau drivers/gpu/drm/i915 drivers/gpu/drm/xe drivers/iio drivers/hwmon \
		sound/soc net/bluetooth net/mac80211 fs/ocfs2 fs/ceph fs/nfs fs/nfsd fs/xfs fs/btrfs fs/f2fs fs/bcachefs fs/smb; do
		rm -rf "$modules/kernel/$directory"
	done
	chroot root depmod "${modules##*/}"
done
# The kernel to come, as EL's package of it lies on the disk before its scripts run; a scenario installs it.
later=$(cd root/usr/lib/modules && echo *-rt-amd64)
mkdir root/srv/modules
mv "root/usr/lib/modules/$later" root/srv/modules/
mv "root/boot/vmlinuz-$later" "root/srv/modules/$later/vmlinuz"
rm root/boot/*-"$later"
version=$(ls root/usr/lib/modules)
# With `quiet` alone the console says nothing for minutes, whether the boot is slow or stuck.
arguments="root=UUID=$root_uuid ro console=tty0 console=ttyS0,115200 no_timer_check quiet systemd.show_status=true"
mkdir -p root/etc/dracut.conf.d root/etc/kernel root/etc/default
printf 'hostonly="yes"\ncompress="zstd -1"\n' >root/etc/dracut.conf.d/02-generic-image.conf
echo "$arguments" >root/etc/kernel/cmdline
printf 'layout=bls\nBOOT_ROOT=/boot\ninitrd_generator=dracut\n' >root/etc/kernel/install.conf
cat >root/etc/default/grub <<EOF
GRUB_TIMEOUT=5
GRUB_DISTRIBUTOR="\$(sed 's, release .*\$,,g' /etc/system-release)"
GRUB_DEFAULT=saved
GRUB_DISABLE_SUBMENU=true
GRUB_TERMINAL_OUTPUT="console"
GRUB_CMDLINE_LINUX="console=tty0 console=ttyS0,115200 no_timer_check quiet systemd.show_status=true"
GRUB_DISABLE_RECOVERY="true"
GRUB_ENABLE_BLSCFG=true
EOF
mount -t proc proc root/proc
rm -f root/boot/initrd.img-*
# Outside of the machine there is no host to look at.
chroot root dracut -q --force --no-hostonly --add-drivers 'ahci sd_mod ext4' --kver "$version" "/boot/initramfs-$version.img"
umount root/proc

mv root/boot boot
mkdir root/boot
rm -rf boot/grub
mkdir -p boot/loader/entries boot/grub2/i386-pc boot/grub2/x86_64-efi boot/efi
cat >"boot/loader/entries/$machine-$version.conf" <<EOF
title CentOS Stream ($version) 9
version $version
linux /vmlinuz-$version
initrd /initramfs-$version.img
options $arguments \$tuned_params
grub_users \$grub_users
grub_arg --unrestricted
grub_class centos
EOF
cat >boot/grub2/grub.cfg <<EOF
serial --unit=0 --speed=115200
terminal_input serial
terminal_output serial
set timeout=0
if [ -s \$prefix/grubenv ]; then
  load_env -f \$prefix/grubenv
fi
set default="\${saved_entry}"
search --no-floppy --fs-uuid --set=root $boot_uuid
set boot=\$root
insmod blsuki
blscfg
EOF
for platform in i386-pc x86_64-efi; do
	cp grub/usr/lib/grub/$platform/*.mod grub/usr/lib/grub/$platform/*.lst boot/grub2/$platform/
done
chroot grub grub-editenv /tmp/grubenv create
chroot grub grub-mkimage -O i386-pc -p '(hd0,gpt3)/grub2' -o /tmp/core.img biosdisk part_gpt ext2 search_fs_uuid
chroot grub grub-mkimage -O x86_64-efi -p '(hd0,gpt3)/grub2' -o /tmp/grub.efi \
	part_gpt ext2 fat search search_fs_uuid normal configfile serial loadenv linux
mv grub/tmp/grubenv boot/grub2/grubenv
mv grub/tmp/core.img grub/tmp/grub.efi .
cp grub/usr/lib/grub/i386-pc/boot.img .

truncate -s ${esp_size}M esp
mkfs.vfat -F 32 -i "$(echo $esp_uuid | tr -d -)" -n ESP esp >/dev/null
mmd -i esp ::EFI ::EFI/BOOT ::EFI/centos
mcopy -i esp grub.efi ::EFI/BOOT/BOOTX64.EFI
# shellcheck disable=SC2016 # GRUB's variables, not the shell's.
printf 'search --no-floppy --fs-uuid --set=dev %s\nset prefix=($dev)/grub2\nconfigfile $prefix/grub.cfg\n' $boot_uuid >stub
mcopy -i esp stub ::EFI/centos/grub.cfg

mke2fs -q -t ext4 -U $boot_uuid -L boot -O ^metadata_csum_seed,^orphan_file -d boot bootfs ${boot_size}M
root_size=$((size - esp_size - boot_size - 4))
mke2fs -q -t ext4 -U $root_uuid -L root -O ^metadata_csum_seed,^orphan_file -E lazy_itable_init=1 -d root rootfs ${root_size}M
truncate -s ${size}M disk.raw
sgdisk -o -n 1:2048:4095 -t 1:ef02 -n 2:4096:+${esp_size}M -t 2:ef00 -n 3:0:+${boot_size}M -t 3:8300 \
	-n 4:0:+${root_size}M -t 4:8300 disk.raw >/dev/null
sh ./put-partition.sh esp 2
sh ./put-partition.sh bootfs 3
sh ./put-partition.sh rootfs 4
sh ./put-bios-grub.sh boot.img core.img 2048
