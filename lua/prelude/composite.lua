-- What the composites share: devices, errors at the caller's line.

local composite = { finally = native.finally }

-- Fails with an error about a composite.
function composite.fail(name, what, hint)
  native.fail(what, hint, name)
end

-- Returns one line about a device, as `lspci -n` would show it.
function composite.describe(device)
  return device.address .. " " .. device.class_name .. " " .. device.vendor .. ":" .. device.device
end

local function described(devices)
  local lines = {}
  for index, device in ipairs(devices) do
    lines[index] = composite.describe(device)
  end
  return table.concat(lines, "; ")
end

-- Returns what stands behind an address where nothing is: the devices near it, one of which may be meant.
local function nearest(address)
  local by_address, near = {}, {}
  for _, device in ipairs(host.pci) do
    by_address[device.address] = device
  end
  for index, other in ipairs(native.nearest_devices(address)) do
    near[index] = by_address[other]
  end
  return #near > 0 and "; nearest: " .. described(near) or ""
end

-- Returns the one device an address or selector means.
function composite.device(name, wanted)
  if type(wanted) == "table" and type(wanted.address) == "string" then
    wanted = wanted.address
  end
  if type(wanted) == "string" then
    local address = wanted:lower()
    if address:find("^%x%x:%x%x%.[0-7]$") then
      address = "0000:" .. address
    end
    for _, device in ipairs(host.pci) do
      if device.address == address then
        return device
      end
    end
    composite.fail(name, "there is no device " .. address .. " on this host" .. nearest(address),
      "`hoststate inspect devices` lists them.")
  end
  local found = host.pci:find(wanted)
  if #found == 1 then
    return found[1]
  elseif #found == 0 then
    composite.fail(name, "no device matches the selector", "`hoststate inspect devices` lists them.")
  end
  composite.fail(name, "the selector matches " .. #found .. " devices: " .. described(found),
    "Add a field to the selector, or give the address.")
end

-- Says that a composite leaves out what it would read from the host.
function composite.without_host(name)
  if not host.available then
    log.info(name .. ": what it declares depends on the host and is not checked here")
    return true
  end
end

return composite
