iommu {}
sriov_nic { device = { interface = "ens2f1" }, numvfs = 4, driver = "vfio-pci" }
