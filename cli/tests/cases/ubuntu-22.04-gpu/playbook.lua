-- vfio-pci is part of this kernel, so no file of modprobe.d reaches it.
gpu_passthrough { device = "0000:01:00.0" }
