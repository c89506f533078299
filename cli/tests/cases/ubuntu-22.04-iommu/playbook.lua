-- The drop-in of the cloud image replaces what /etc/default/grub says.
kernel_cmdline {
  present = { "iommu=pt" },
  absent = { "amd_iommu=off" },
}
