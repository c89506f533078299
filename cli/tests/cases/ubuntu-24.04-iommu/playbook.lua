-- The two words that were there keep their place; one of them goes.
kernel_cmdline {
  present = { "intel_iommu=on", "iommu=pt" },
  absent = { "splash" },
}
