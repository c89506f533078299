//! Files that list one module a line: `modules-load.d` and `/etc/initramfs-tools/modules`.
