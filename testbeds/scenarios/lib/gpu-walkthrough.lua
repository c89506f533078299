-- The walk-through by hand, as examples/gpu-passthrough.lua has it, for the card of the GPU scenarios:
-- a display device at 01:00.0 with a sound function at 01:00.1.
-- AMD's IOMMU is on by itself, and the kernel does not know `amd_iommu=on`.
local words = host.cpu.vendor == "AuthenticAMD" and { "iommu=pt" } or { "intel_iommu=on", "iommu=pt" }
kernel_cmdline { name = "iommu", present = words }

for _, module in ipairs { "bochs", "snd_hda_intel" } do
  modprobe_softdep { module = module, pre = { "vfio-pci" }, file = "01-vfio-pci.conf" }
end

vfio_pci_ids { ids = { "1234:1111", "8086:2668" }, file = "01-vfio-pci.conf" }

initramfs_modules { modules = { "vfio_pci" } }
