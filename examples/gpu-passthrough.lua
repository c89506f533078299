-- Gives a graphics card to a virtual machine, step by step, the way it is
-- done by hand. Every line below is one thing you would otherwise edit in a
-- file; nothing is hidden. The short form is gpu-passthrough-composite.lua.
--
-- Try it without a spare card and without root:
--   hoststate plan examples/gpu-passthrough.lua --capture examples/hosts/ubuntu-24.04.host

-- 1. Which card? `lspci -nnk` shows address, ids and modules. All functions of
--    a card go together: the second one is the sound of its HDMI port.
--    Another card must stay for the console.
local card = {
  { address = "0000:01:00.0", id = "10de:0ffc", modules = { "nouveau", "nvidiafb" } },
  { address = "0000:01:00.1", id = "10de:0e1b", modules = { "snd_hda_intel" } },
}

-- 2. Switch the IOMMU on, for every kernel that is installed. `iommu=pt` is
--    about the speed of the devices that stay with the host.
kernel_cmdline {
  name = "iommu",
  present = { "intel_iommu=on", "iommu=pt" },
}

-- 3. Let vfio-pci be first: before one of the card's own drivers is loaded,
--    vfio-pci is. A softdep holds no driver back for good, so the sound card
--    on the mainboard keeps snd_hda_intel.
local ids = {}
for _, part in ipairs(card) do
  for _, module in ipairs(part.modules) do
    modprobe_softdep { module = module, pre = { "vfio-pci" }, file = "01-vfio-pci.conf" }
  end
  table.insert(ids, part.id)
end

-- 4. Tell vfio-pci which devices are its own. Where vfio-pci is built into
--    the kernel no file is read for it; then the ids go to the command line.
vfio_pci_ids { ids = ids, file = "01-vfio-pci.conf" }

-- 5. The card's drivers are in the initramfs and are loaded there, so vfio-pci
--    has to be there too. The images are rebuilt because of this line and
--    because they hold copies of the files above.
initramfs_modules { modules = { "vfio_pci" } }

-- After the reboot `hoststate verify` says whether it worked: both functions of
-- the card must then be bound to vfio-pci.
