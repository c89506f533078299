modprobe_options { module = "kvm_intel", options = { nested = 1 } }
modprobe_options { module = "vfio-pci", options = { disable_vga = 1, disable_idle_d3 = "Y" } }
