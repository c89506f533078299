kernel_cmdline { present = { "intel_iommu=on", "iommu=pt" } }
modprobe_softdep { module = "nouveau", pre = { "vfio-pci" } }
vfio_pci_ids { ids = { "10de:0ffc", "10de:0e1b" } }
initramfs_modules { modules = { "vfio_pci" } }
