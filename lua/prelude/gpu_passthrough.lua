-- gpu_passthrough { device = … }: a graphics card, with everything that goes with it, for vfio-pci.

local composite = ...

-- What the walk-through edits, and early enough in the order of names: the first softdep line of a module counts.
local default_file = "01-vfio-pci.conf"

-- Which card took a device, by address.
local taken = {}

local function slot(device)
  return device.address:match("^(.*)%.")
end

local function id(device)
  return device.vendor .. ":" .. device.device
end

-- All functions of the card, and the other members of its group: VFIO gives a group to a guest as a whole.
-- Bridges stay with the host; vfio-pci refuses them.
local function members(card, whole_group)
  local list = { card }
  for _, device in ipairs(host.pci) do
    local same_slot = slot(device) == slot(card)
    local same_group = whole_group and card.iommu_group and device.iommu_group == card.iommu_group
    if device.address ~= card.address and (same_slot or same_group) and device.class:sub(1, 2) ~= "06" then
      list[#list + 1] = device
    end
  end
  table.sort(list, function(a, b) return a.address < b.address end)
  return list
end

local function add(list, seen, value)
  if not seen[value] then
    seen[value] = true
    list[#list + 1] = value
  end
end

-- vfio-pci takes every device with an id. Whether that is wanted is known when all cards are.
local function check_twins(card, list)
  for _, device in ipairs(list) do
    taken[device.address] = card.address
  end
  composite.finally(function()
    for _, device in ipairs(list) do
      for _, other in ipairs(host.pci) do
        if id(other) == id(device) and not taken[other.address] then
          composite.fail("gpu_passthrough: " .. other.address .. " has the same id " .. id(device) .. " as "
            .. device.address .. ", so vfio-pci would take it as well",
            "Bind " .. device.address .. " by its address: `driver_binding { device = \"" .. device.address
            .. "\", driver = \"vfio-pci\" }`.")
        end
      end
    end
  end)
end

return function(fields)
  if composite.without_host("gpu_passthrough") then
    return
  end
  local card = composite.device("gpu_passthrough", fields.device)
  local class = card.class:sub(1, 2)
  if class ~= "03" and class ~= "12" then
    composite.fail("gpu_passthrough: " .. composite.describe(card) .. " is no graphics card",
      "Give the function that is one, or declare `vfio_pci_ids` for another kind of device.")
  end
  local whole_group = fields.whole_group ~= false
  if whole_group and not card.iommu_group then
    log.info("gpu_passthrough: " .. card.address .. " is in no IOMMU group, so only the functions of its slot are"
      .. " known to go with it; plan again when the IOMMU is on")
  end
  local list = members(card, whole_group)
  check_twins(card, list)

  -- `iommu=pt` spares the host's own devices the translation on x86; what takes a card away needs none of it.
  local vendor = host.cpu.vendor
  if vendor == "ARM" or vendor == "POWER" then
    iommu {}
  else
    iommu { passthrough = true }
  end

  local file = fields.file or default_file
  local modules, seen_modules, ids, seen_ids = {}, { vfio_pci = true }, {}, {}
  for _, device in ipairs(list) do
    add(ids, seen_ids, id(device))
    for _, module in ipairs(fields.drivers or device.modules) do
      add(modules, seen_modules, (module:gsub("-", "_")))
    end
  end
  -- A driver that another device needs as well is only delayed, not kept away.
  for _, module in ipairs(modules) do
    modprobe_softdep { module = module, pre = { "vfio-pci" }, file = file }
  end
  vfio_pci_ids { name = card.address, ids = ids, file = file }
  -- `vfio_virqfd` is part of `vfio` since Linux 6.2, and dracut fails over a module that is not there; where it
  -- exists, the others load it.
  initramfs_modules { modules = { "vfio", "vfio_iommu_type1", "vfio_pci" } }
end
