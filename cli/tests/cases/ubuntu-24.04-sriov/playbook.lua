-- The port has 64 at most.
sriov_numvfs { device = "0000:3b:00.0", numvfs = 4, autoprobe = false }
driver_binding { device = "0000:3b:02.0", driver = "vfio-pci" }
