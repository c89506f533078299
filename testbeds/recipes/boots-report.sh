#!/bin/sh
# In the root that was booted: says on the console which driver each PCI function has, and turns the machine off.
# With a second disk it first packs onto it what hoststate reads of /proc and /sys.
udevadm settle --timeout=240
# Units that udev asked for may be at work.
for _ in $(seq 200); do
	[ "$(systemctl list-jobs --no-legend --plain | grep -c -v boots)" != 0 ] || break
	sleep 0.2
done
udevadm settle --timeout=240
{
	for device in /sys/bus/pci/devices/*; do
		driver=-
		[ ! -e "$device/driver" ] || driver=$(readlink "$device/driver")
		echo "boots: ${device##*/} ${driver##*/}"
	done
	# What the boot had in these is what was asked about.
	cat /etc/modprobe.d/* /etc/modules-load.d/* /etc/udev/rules.d/* 2>/dev/null | cksum | sed 's/^/boots: files /'
} >/dev/ttyS0

disk=/dev/disk/by-id/virtio-boots
pack() {
	tree=/run/boots
	mkdir -p $tree
	file() { [ -f "$1" ] && mkdir -p "$tree${1%/*}" && cat "$1" >"$tree$1" 2>/dev/null; }
	link() { [ -L "$1" ] && mkdir -p "$tree${1%/*}" && cp -dn "$1" "$tree$1"; }
	for path in /proc/cpuinfo /proc/modules /proc/mounts /proc/swaps /proc/self/mountinfo /proc/net/route \
		/proc/sys/kernel/osrelease /proc/sys/kernel/random/boot_id; do
		file $path
	done
	for device in /sys/bus/pci/devices/*; do
		link "$device"
		place=$(readlink -f "$device")
		for name in vendor device subsystem_vendor subsystem_device class revision modalias boot_vga driver_override \
			numa_node enable irq reset_method resource uevent config \
			sriov_totalvfs sriov_numvfs sriov_offset sriov_stride sriov_vf_device sriov_drivers_autoprobe; do
			file "$place/$name"
		done
		for name in driver iommu_group subsystem iommu; do link "$place/$name"; done
		for below in "$place"/net/* "$place"/drm/* "$place"/nvme/*; do
			[ ! -d "$below" ] || mkdir -p "$tree$below"
		done
		for interface in "$place"/net/*; do
			for name in address operstate ifindex type carrier; do file "$interface/$name"; done
			link "$interface/device"
		done
	done
	for driver in /sys/bus/pci/drivers/*; do
		mkdir -p "$tree$driver"
		for name in "$driver"/module "$driver"/0000:*; do link "$name"; done
	done
	for path in /sys/class/net/* /sys/class/block/* /sys/class/drm/* /sys/class/iommu/* \
		/sys/kernel/iommu_groups/*/devices/*; do
		link "$path"
	done
	for path in /sys/kernel/iommu_groups/*/type /sys/module/*/initstate; do file "$path"; done
	tar cf $disk -C $tree . && sync && echo "boots: packed" >/dev/ttyS0
}
[ ! -b $disk ] || pack
echo "boots: done" >/dev/ttyS0
echo o >/proc/sysrq-trigger
sleep 30
