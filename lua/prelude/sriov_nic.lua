-- sriov_nic { device = …, numvfs = …, driver = … }: virtual functions of a network card, and who drives them.

local composite = ...

-- The address of a virtual function: its routing id is that of the physical function, plus `sriov_offset`, plus
-- `sriov_stride` for each one before it (PCI Express, Single Root I/O Virtualization).
local function address(card, index)
  local domain, bus, slot, part = card.address:match("^(%x+):(%x+):(%x+)%.(%x)$")
  local routing = (tonumber(bus, 16) << 8) + (tonumber(slot, 16) << 3) + tonumber(part, 16)
  routing = routing + card.sriov_offset + index * card.sriov_stride
  return string.format("%s:%02x:%02x.%x", domain, routing >> 8, (routing >> 3) & 31, routing & 7)
end

return function(fields, absent)
  if not host.available and type(fields.device) == "string" then
    sriov_numvfs { device = fields.device, numvfs = fields.numvfs }
  end
  if composite.without_host("sriov_nic") then
    return
  end
  local card = composite.device("sriov_nic", fields.device)
  if not card.sriov_totalvfs and not absent then
    local major, minor = (host.kernel.release or ""):match("^(%d+)%.(%d+)")
    if major and (tonumber(major) < 3 or tonumber(major) == 3 and tonumber(minor) < 8) then
      composite.fail("sriov_nic", composite.describe(card) .. " has no sriov_numvfs: the running kernel "
        .. host.kernel.release .. " is older than Linux 3.8, the first that has it",
        "igb and ixgbe make virtual functions by a parameter there: `modprobe_options { module = \""
          .. (card.driver or "igb") .. "\", options = { max_vfs = \"" .. math.tointeger(fields.numvfs) .. "\" } }`.")
    end
    composite.fail("sriov_nic", composite.describe(card) .. " offers no virtual functions",
      "Enable SR-IOV in the firmware of the card and of the machine, or give another device.")
  elseif not absent and fields.numvfs > card.sriov_totalvfs then
    composite.fail("sriov_nic", card.address .. " offers " .. card.sriov_totalvfs
      .. " virtual functions, the playbook wants " .. math.tointeger(fields.numvfs),
      "Lower `numvfs` to " .. card.sriov_totalvfs .. ", or raise the limit in the card's firmware.")
  end
  -- vfio-pci matches no id of a network card, so the host's driver would take each function first.
  local autoprobe
  if fields.driver == "vfio-pci" then
    autoprobe = false
  end
  sriov_numvfs { device = card.address, numvfs = fields.numvfs, autoprobe = autoprobe }
  if not fields.driver or fields.numvfs == 0 then
    return
  end
  local knows_addresses = card.sriov_offset and card.sriov_stride
  if #card.virtfns < fields.numvfs and not knows_addresses and not absent then
    composite.fail("sriov_nic", "the addresses of the virtual functions of " .. card.address .. " are not known yet",
      "Leave `driver` out, converge, and add it then.")
  end
  for index = 0, fields.numvfs - 1 do
    local function_address = card.virtfns[index + 1] or knows_addresses and address(card, index)
    if function_address then
      driver_binding { device = function_address, driver = fields.driver }
    end
  end
end
