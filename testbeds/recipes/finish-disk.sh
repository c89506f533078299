#!/bin/sh
# Runs in the first boot of a new Debian disk, as the last step of an installer: GRUB by its own tools, and nothing left behind.
set -eu
# systemd gives a device 90 s, which a busy machine that emulates may need longer than.
udevadm settle --timeout=300
mountpoint -q /boot/efi || mount /boot/efi
grub-install --target=i386-pc /dev/sda
grub-install --target=x86_64-efi --efi-directory=/boot/efi --removable --no-nvram
update-grub
rm -rf /var/log/journal/* /var/lib/apt/lists/* /run/testbed-agent/request
