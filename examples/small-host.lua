-- A small host in eight declarations: enough to touch the boot loader, four
-- kinds of module policy and the initramfs, short enough to read at a glance.
--
--   hoststate plan examples/small-host.lua --capture examples/hosts/ubuntu-24.04.host

kernel_cmdline { present = { "intel_iommu=on", "iommu=pt" } }

modprobe_softdep { module = "nouveau", pre = { "vfio-pci" } }
modprobe_softdep { module = "nvidiafb", pre = { "vfio-pci" } }
modprobe_softdep { module = "snd_hda_intel", pre = { "vfio-pci" } }

vfio_pci_ids { ids = { "10de:0ffc", "10de:0e1b" } }

-- Not loaded by itself; `modprobe nouveau` would still load it.
modprobe_blacklist { module = "nouveau" }
modprobe_blacklist { module = "nvidiafb" }

modules_load { modules = { "vfio-pci" } }
