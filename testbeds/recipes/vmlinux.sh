#!/bin/sh
# vmlinux.sh BZIMAGE: makes ./vmlinux, the kernel itself (Documentation/arch/x86/boot.rst): QEMU starts it without unpacking it first.
set -eu
# The last four bytes of the payload are its unpacked size.
image=$1
number() { od -An -t "u$2" -j "$1" -N "$2" "$image" | tr -d ' '; }
setup=$(number 497 1)
start=$(((setup + 1) * 512 + $(number 584 4)))
length=$(($(number 588 4) - 4))
tail -c "+$((start + 1))" "$image" | head -c "$length" >payload
case $(od -An -t x1 -N 4 payload | tr -d ' ') in
28b52ffd) zstd -qdc payload >vmlinux ;;
fd377a58) xz -dc payload >vmlinux ;;
*) cp "$image" vmlinux ;;
esac
