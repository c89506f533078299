-- Every network card of the classic list and every VirtIO device: `inspect devices` against `lspci`.

-- What lspci(8) says of each device, with numbers and full addresses, a table by address.
local function by_lspci(host)
  local devices = {}
  local current
  for line in host:shell("lspci -Dnk"):gmatch "[^\n]+" do
    local address, class, vendor, device = line:match "^(%S+) (%x+): (%x+):(%x+)"
    if address then
      current = { class = class, vendor = vendor, device = device }
      devices[address] = current
    else
      current.driver = line:match "Kernel driver in use: (%S+)" or current.driver
    end
  end
  return devices
end

-- The class, or its first byte, in hoststate's words.
local classes = {
  ["01"] = "storage", ["0108"] = "nvme", ["02"] = "network", ["03"] = "display", ["0403"] = "audio", ["06"] = "bridge",
}

local function expect_agreement(host)
  local seen = by_lspci(host)
  local count = 0
  for _, device in ipairs(host:hoststate({ "inspect", "devices", "--format", "json" }).json.devices) do
    local theirs = seen[device.address]
    assert(theirs, "lspci does not show " .. device.address)
    for _, field in ipairs { "vendor", "device", "driver" } do
      assert(device[field] == theirs[field] or (not theirs[field] and type(device[field]) ~= "string"),
        ("%s of %s: lspci says %s, hoststate %s"):format(field, device.address, theirs[field], device[field]))
    end
    local class = classes[theirs.class] or classes[theirs.class:sub(1, 2)]
    assert(not class or device.class == class,
      ("class of %s: lspci says %s, hoststate %s"):format(device.address, theirs.class, device.class))
    count = count + 1
    seen[device.address] = nil
  end
  assert(not next(seen), "hoststate does not show " .. tostring(next(seen)))
  return count
end

local function expect_drivers(host, drivers)
  for id, driver in pairs(drivers) do
    host:expect_output("lspci -nk -d " .. id, { contains = "Kernel driver in use: " .. driver })
  end
end

scenario {
  name = "hardware",
  about = "every PCI network card of the classic list, every VirtIO device, cards of two functions",
  bed = "fast-vm",
  machine = {
    iommu = "intel",
    console = "VGA",
    devices = {
      "e1000", "e1000e", "i82551", "i82557b", "i82559er", "ne2k_pci", "pcnet", "rtl8139", "tulip", "vmxnet3",
      "virtio-net-pci", "virtio-scsi-pci", "virtio-blk-pci", "virtio-balloon-pci", "virtio-serial-pci",
      "virtio-rng-pci",
    },
    root_ports = { { "bochs-display", "intel-hda" }, { "igb" }, { "virtio-net-pci" }, { "virtio-blk-pci" } },
  },
  ci = true,
  steps = function(host)
    host:shell "lspci -nnk"
    host:hoststate { "inspect", "devices" }
    local count = expect_agreement(host)
    assert(count >= 26, "there are only " .. count .. " devices")
    expect_drivers(host, {
      ["8086:100e"] = "e1000", ["8086:10d3"] = "e1000e", ["8086:1209"] = "e100", ["8086:1229"] = "e100",
      ["10ec:8029"] = "ne2k-pci", ["1022:2000"] = "pcnet32", ["10ec:8139"] = "8139cp", ["1011:0019"] = "tulip",
      ["15ad:07b0"] = "vmxnet3", ["8086:10c9"] = "igb", ["1af4:1000"] = "virtio-pci", ["1af4:1041"] = "virtio-pci",
      ["1af4:1001"] = "virtio-pci", ["1af4:1042"] = "virtio-pci", ["1af4:1002"] = "virtio-pci",
      ["1af4:1003"] = "virtio-pci", ["1af4:1004"] = "virtio-pci", ["1af4:1005"] = "virtio-pci",
      ["8086:2668"] = "snd_hda_intel",
    })
  end,
}

scenario {
  name = "hardware-isa",
  about = "a board with ISA and an NE2000 on it, which has no address: its PCI devices are shown, and only they",
  bed = "fast-vm",
  machine = { chipset = "pc", devices = { "ne2k_isa", "ne2k_pci", "rtl8139" } },
  ci = true,
  steps = function(host)
    host:shell "lspci -nnk"
    host:hoststate { "inspect", "devices" }
    expect_agreement(host)
  end,
}
