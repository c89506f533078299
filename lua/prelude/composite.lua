-- What the composites share: checks of their fields, devices, errors at the caller's line.

local composite = { fail = native.fail, finally = native.finally }

local function sorted_names(fields)
  local names = {}
  for name in pairs(fields) do
    names[#names + 1] = name
  end
  return names
end

local function is_list_of_texts(value)
  if type(value) ~= "table" then
    return false
  end
  local count = 0
  for _, item in pairs(value) do
    count = count + 1
    if type(item) ~= "string" then
      return false
    end
  end
  return count == #value
end

local kinds = {
  boolean = { "true or false", function(value) return type(value) == "boolean" end },
  text = { "a text", function(value) return type(value) == "string" and value ~= "" end },
  texts = { "a list of texts", is_list_of_texts },
  count = { "a whole number from 0 up", function(value) return math.tointeger(value) and value >= 0 end },
  device = { "an address or a selector table", function(value)
    return type(value) == "string" and value ~= "" or type(value) == "table"
  end },
}

-- Checks the one argument of a composite: `known` maps each field to its kind, `required` lists what must be there.
function composite.check(name, known, required, ...)
  local fields = ...
  if select("#", ...) ~= 1 or type(fields) ~= "table" then
    local got = select("#", ...) == 0 and "nothing" or select("#", ...) > 1 and select("#", ...) .. " values"
    composite.fail(name .. " takes one table, got " .. (got or "a " .. type(fields)),
      "Write `" .. name .. " { field = value }`.")
  end
  for field, value in pairs(fields) do
    local kind = kinds[known[field]]
    if not kind then
      local names = sorted_names(known)
      local near = type(field) == "string" and native.nearest(field, names)
      composite.fail(name .. ": unknown field `" .. tostring(field) .. "`",
        near and "Did you mean `" .. near .. "`?" or "Its fields are: " .. table.concat(names, ", ") .. ".")
    elseif not kind[2](value) then
      local shown = type(value) == "table" and "a table" or type(value) == "string" and '"' .. value .. '"' or tostring(value)
      composite.fail(name .. ": `" .. field .. "` is " .. shown .. ", not " .. kind[1],
        "Give " .. kind[1] .. ".")
    end
  end
  for _, field in ipairs(required) do
    if fields[field] == nil then
      composite.fail(name .. ": `" .. field .. "` is missing", "Give " .. kinds[known[field]][1] .. ".")
    end
  end
  return fields
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

-- Returns the one device an address or selector means.
function composite.device(name, wanted)
  if type(wanted) == "table" and type(wanted.address) == "string" then
    wanted = wanted.address
  end
  if type(wanted) == "string" then
    local address = wanted:lower()
    if address:find("^%x%x:%x%x%.[0-7]$") then
      address = "0000:" .. address
    elseif not address:find("^%x%x%x%x+:%x%x:%x%x%.[0-7]$") then
      composite.fail(name .. ": `device` is \"" .. wanted .. "\", not a PCI address",
        "An address is domain, bus, slot and function: \"0000:01:00.0\".")
    end
    for _, device in ipairs(host.pci) do
      if device.address == address then
        return device
      end
    end
    composite.fail(name .. ": there is no device " .. address .. " on this host",
      "`hoststate inspect devices` lists them.")
  end
  local found = host.pci:find(wanted)
  if #found == 1 then
    return found[1]
  elseif #found == 0 then
    composite.fail(name .. ": no device matches the selector", "`hoststate inspect devices` lists them.")
  end
  composite.fail(name .. ": the selector matches " .. #found .. " devices: " .. described(found),
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
