kernel_cmdline { present = { "intel_iommu=on" }, absent = { "rhgb" } }
