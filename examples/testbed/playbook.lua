-- The playbook under test; put yours here.
kernel_cmdline { present = { "intel_iommu=on", "iommu=pt" } }
modprobe_options { module = "kvm", options = { ignore_msrs = 1 } }
