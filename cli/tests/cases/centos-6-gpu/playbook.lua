-- The one graphics card is that of the console, and 2.6.32 has no vfio-pci.
gpu_passthrough { device = "0000:07:04.0" }
