#!/bin/sh
# Copies the file $1 to the start of partition $2 of disk.raw.
set -eu
sector=$(sgdisk -i "$2" disk.raw | sed -n 's/^First sector: \([0-9]*\).*/\1/p')
dd if="$1" of=disk.raw bs=1M oflag=seek_bytes seek=$((sector * 512)) conv=notrunc,sparse status=none
rm "$1"
