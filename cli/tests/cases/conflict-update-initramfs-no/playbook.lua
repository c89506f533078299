initramfs_modules { modules = { "vfio_pci" } }
