#!/bin/sh
# In the image, when the root is there: lays the files of this boot over the root's, which is the same disk for every boot
# and forgets what is written to it.
[ "$1" != prereqs ] || exit 0
place=${rootmnt:-$NEWROOT}
mount -o remount,rw none "$place"
while read -r kind path target; do
	mkdir -p "$place${path%/*}"
	case $kind in
	# An image need not have cp.
	file) cat "/boots$path" >"$place$path" ;;
	program) cat "/boots$path" >"$place$path" && chmod 755 "$place$path" ;;
	link) ln -s "$target" "$place$path" ;;
	esac
done </boots/list
mount -o remount,ro none "$place"
