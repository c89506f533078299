modprobe_softdep { module = "nouveau", pre = { "vfio-pci" } }
