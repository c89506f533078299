modules_load { modules = { "loop", "vfio-pci" } }
modules_load { name = "lab", modules = { "vfio_iommu_type1" }, file = "lab.conf" }
