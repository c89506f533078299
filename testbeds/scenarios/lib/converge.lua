-- What the converge scenarios ask of a host: plain resources, since a container has no device to pass through.
kernel_cmdline { present = { "intel_iommu=on", "iommu=pt" } }

for _, module in ipairs { "bochs", "snd_hda_intel" } do
  modprobe_softdep { module = module, pre = { "vfio-pci" } }
end

modprobe_blacklist { module = "bochs" }
modprobe_options { module = "kvm", options = { ignore_msrs = 1 } }
vfio_pci_ids { ids = { "10de:0ffc", "10de:0e1b" } }
initramfs_modules { modules = { "vfio", "vfio_iommu_type1", "vfio_pci" } }
