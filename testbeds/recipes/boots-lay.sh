#!/bin/sh
# In the image, when the root is there: lays the files of this boot over the root's, which is the same disk for every boot.
[ "$1" != prereqs ] || exit 0
place=${rootmnt:-$NEWROOT}
for directory in modprobe.d modules-load.d udev/rules.d; do
	mount -t tmpfs none "$place/etc/$directory"
	for file in "/boots/etc/$directory"/*; do
		# An image need not have cp.
		[ ! -e "$file" ] || cat "$file" >"$place/etc/$directory/${file##*/}"
	done
done
