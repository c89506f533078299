vfio_pci_ids { ids = { "10de:0ffc" } }
