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

-- Bridges between buses stay with the host: vfio-pci refuses their headers. A switch of NVLink is class 06 and no such
-- bridge.
local bridges = { ["0604"] = true, ["0607"] = true, ["0609"] = true }

-- Whether a device is a part of the card: a function of its endpoint, made by whom the card is. In a processor with
-- graphics the slot is the whole chip, with the host's USB controllers; and a virtual function is a card of its own.
local function is_part(card, device)
  return slot(device) == slot(card) and device.vendor == card.vendor and not device.physfn and not card.physfn
end

-- Whether a device is in the group of the card, or will be once the IOMMU is on.
local function is_in_group(card, device)
  if card.iommu_group then
    return device.iommu_group == card.iommu_group
  end
  for _, address in ipairs(card.foretold_group or {}) do
    if address == device.address then
      return true
    end
  end
  return false
end

-- All functions of the card, and the other members of its group: VFIO gives a group to a guest as a whole.
local function members(card, whole_group)
  local list = { card }
  for _, device in ipairs(host.pci) do
    local is_member = is_part(card, device) or whole_group and is_in_group(card, device)
    if device.address ~= card.address and is_member and not bridges[device.class:sub(1, 4)] then
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

-- The id of a device with that of its maker, which may tell it from others.
local function whole_id(device)
  return id(device) .. ":" .. device.subsystem_vendor .. ":" .. device.subsystem_device
end

-- Whether a device that stays with the host has the same id.
local function is_shared(device, by)
  for _, other in ipairs(host.pci) do
    if by(other) == by(device) and not taken[other.address] then
      return true
    end
  end
  return false
end

-- Whether a module of some kernel drives it. One that none drives may have a driver that is part of the kernel, and that
-- is there before any line of modprobe.d is read.
local function has_module(device)
  return #device.modules > 0
end

-- vfio-pci takes every device with an id: whether that is wanted is known when all cards are. One that has a twin on the
-- host is taken by its address.
local function take(card, list, file)
  local knows_modules = false
  for _, device in ipairs(list) do
    taken[device.address] = card.address
    knows_modules = knows_modules or has_module(device)
  end
  composite.finally(function()
    local ids, seen, by_address = {}, {}, {}
    for _, device in ipairs(list) do
      local by = not is_shared(device, id) and id or not is_shared(device, whole_id) and whole_id
      if by then
        add(ids, seen, by(device))
      end
      if not by or knows_modules and not has_module(device) then
        by_address[#by_address + 1] = device
      end
    end
    if #ids > 0 then
      vfio_pci_ids { name = card.address, ids = ids, file = file }
    end
    for _, device in ipairs(by_address) do
      driver_binding { device = device.address, driver = "vfio-pci" }
    end
  end)
end

-- What a card was given by depends on what else was in the playbook then, so each way is taken back.
local function give_back(list, file)
  for _, device in ipairs(list) do
    vfio_pci_ids { ids = { id(device) }, file = file }
    if device.subsystem_vendor ~= "" and device.subsystem_device ~= "" then
      vfio_pci_ids { ids = { whole_id(device) }, file = file }
    end
    driver_binding { device = device.address, driver = "vfio-pci" }
  end
end

return function(fields, absent)
  if composite.without_host("gpu_passthrough") then
    return
  end
  local card = composite.device("gpu_passthrough", fields.device)
  local class = card.class:sub(1, 2)
  if class ~= "03" and class ~= "12" then
    composite.fail("gpu_passthrough", composite.describe(card) .. " is not a graphics card",
      "Name the function that is one, or declare `vfio_pci_ids` for another kind of device.")
  end
  local whole_group = fields.whole_group ~= false
  if whole_group and not card.iommu_group and not card.foretold_group then
    local why = native.why_not_foretold(card.address)
    log.info("gpu_passthrough: " .. card.address .. " is in no IOMMU group"
      .. (why and ", and which it will be in cannot be foretold (" .. why .. ")" or "")
      .. "; only its own functions are known to go with it; plan again when the IOMMU is on")
  end
  local list = members(card, whole_group)

  -- `iommu=pt` spares the host's own devices the translation on x86; what takes a card away needs none of it.
  local vendor = host.cpu.vendor
  if vendor == "ARM" or vendor == "POWER" then
    iommu {}
  else
    iommu { passthrough = true }
  end

  local file = fields.file or default_file
  local modules, seen_modules = {}, { vfio_pci = true }
  for _, device in ipairs(list) do
    for _, module in ipairs(fields.drivers or device.modules) do
      add(modules, seen_modules, (module:gsub("-", "_")))
    end
  end
  -- A driver that another device needs as well is only delayed, not kept away.
  for _, module in ipairs(modules) do
    modprobe_softdep { module = module, pre = { "vfio-pci" }, file = file }
  end
  if absent then
    give_back(list, file)
    for _, module in ipairs { "vfio", "vfio_iommu_type1", "vfio_pci" } do
      initramfs_modules { modules = { module } }
    end
    return
  end
  take(card, list, file)
  -- `vfio_virqfd` is part of `vfio` since Linux 6.2, and dracut fails over a module that is not there; where it
  -- exists, the others load it.
  initramfs_modules { modules = { "vfio", "vfio_iommu_type1", "vfio_pci" } }
end
