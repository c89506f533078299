#!/bin/sh
# Writes GRUB's boot.img ($1) and core.img ($2) to disk.raw, the core at sector $3: what grub-bios-setup does, without block devices.
set -eu
# A little-endian 64-bit number.
number() {
	value=$1
	for _ in 1 2 3 4 5 6 7 8; do
		printf "\\$(printf '%03o' $((value & 255)))"
		value=$((value >> 8))
	done
}
poke() { dd of="$1" bs=1 seek="$2" conv=notrunc status=none; }
number "$3" | poke "$1" 92
# Two NOPs: the drive is the one that the BIOS booted from.
printf '\220\220' | poke "$1" 102
number $(($3 + 1)) | poke "$2" 500
dd if="$2" of=disk.raw bs=512 seek="$3" conv=notrunc status=none
dd if="$1" of=disk.raw bs=440 count=1 conv=notrunc status=none
