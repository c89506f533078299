//! initramfs-tools configuration, `/etc/initramfs-tools/initramfs.conf` and `conf.d`.
