#!/bin/sh
# The first process of the root that was booted: lets udev do what rules say, shows on the console what hoststate reads of
# the machine, and turns it off.
export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
exec >/dev/ttyS0 2>&1
mount -o remount,rw /
/lib/systemd/systemd-udevd --daemon
udevadm trigger --type=devices --action=add --subsystem-match=pci --subsystem-match=net
/lib/systemd/systemd-modules-load
udevadm settle --timeout=240
# A driver that a rule gives brings devices of its own.
udevadm settle --timeout=240

# No program is started for a line: an emulator starts a hundred in a second.
text() {
	[ -r "$1" ] || return
	while read -r line; do
		echo "text $1 $line"
	done <"$1" 2>/dev/null
}
echo "hardware: begin"
for path in /proc/cpuinfo /proc/modules /proc/mounts /proc/swaps /proc/self/mountinfo /proc/net/route \
	/proc/sys/kernel/osrelease /proc/sys/kernel/random/boot_id; do
	text $path
done
find /sys/bus/pci/devices /sys/class/net /sys/class/block /sys/class/iommu /sys/kernel/iommu_groups -mindepth 1 -type l \
	-printf 'link %p %l\n'
find /sys/devices/pci* \( -name '*:pcie*' -o -name 'usb*' -o -name power -o -name ata_port -o -name 'ata[0-9]*' \) -prune -o \
	\( -name driver -o -name iommu_group -o -name subsystem -o -name physfn -o -name device \) -type l -printf 'link %p %l\n'
find /sys/bus/pci/drivers -mindepth 1 -name '0000:*' -printf 'link %p %l\n' -o -name module -printf 'link %p %l\n'
for device in /sys/bus/pci/devices/*; do
	directory=$(readlink -f "$device")
	for name in vendor device subsystem_vendor subsystem_device class revision modalias boot_vga driver_override numa_node \
		enable irq sriov_totalvfs sriov_numvfs sriov_offset sriov_stride sriov_vf_device sriov_drivers_autoprobe; do
		text "$directory/$name"
	done
	for interface in "$directory"/net/*; do
		for name in address operstate ifindex type; do text "$interface/$name"; done
	done
	echo "config $directory $(od -v -An -tx1 -w4096 "$directory/config" | tr -d ' \n')"
done
for path in /sys/kernel/iommu_groups/*/type /sys/module/*/initstate; do text "$path"; done
# What was read once is in memory: the drive itself must answer.
dd if="$(findmnt -n -o SOURCE /)" of=/dev/null bs=4096 count=1 iflag=direct status=none && echo "root works"
echo "hardware: done"
echo o >/proc/sysrq-trigger
sleep 30
