kernel_cmdline { name = "on", present = { "intel_iommu=on" } }
kernel_cmdline { name = "off", absent = { "intel_iommu" } }
