kernel_cmdline { present = { "intel_iommu=on", "iommu=pt" } }
modprobe_options { module = "kvm_intel", options = { nested = 1 } }
