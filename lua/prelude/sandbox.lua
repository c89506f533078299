-- The library of a playbook. Runs over Lua's own globals when a playbook first asks for one, with what Rust gives.
--
-- A playbook must be a function of its text and of the host's facts: the same two give the same plan. So what
-- differs from run to run goes (random numbers, addresses of tables, the order of `pairs`), and what reaches
-- beyond the playbook goes too (files, processes, bytecode, the collector).

local native = ...
local fail, guard, spend = native.fail, native.guard, native.spend
-- Where each operation on texts pays (`paying.lua`).
local look_through = native.look_through
local error, getmetatable, next, pairs0, pcall0, rawequal, rawget, rawset0, select, setmetatable, tostring0, type, xpcall0 =
  error, getmetatable, next, pairs, pcall, rawequal, rawget, rawset, select, setmetatable, tostring, type, xpcall
local concat, move, pack, sort, unpack = table.concat, table.move, table.pack, table.sort, table.unpack
local find, format, gsub, rep = string.find, string.format, string.gsub, string.rep
local plain_next = next
local integer, tointeger0, tonumber0 = math.type, math.tointeger, tonumber

-- C takes texts for numbers too. The work for a digit is that of an instruction; few digits are as good as free.
local function pay_for_digits(value)
  if type(value) == "string" and #value > 32 then
    spend(#value)
  end
end

local function tonumber(value)
  local kind = type(value)
  pay_for_digits(value)
  return (kind == "number" or kind == "string") and tonumber0(value) or nil
end

local function tointeger(value)
  return value and tointeger0(value)
end

local function gone(name, why)
  return function()
    fail("there is no `" .. name .. "` in a playbook", why)
  end
end

local pure = "A playbook sees the host through `host` only: the same playbook and host always give the same plan."

dofile = gone("dofile", "Use `require \"name\"` for a file beside the playbook.")
loadfile = gone("loadfile", "Use `require \"name\"` for a file beside the playbook.")
load = gone("load", "Write the code into a file beside the playbook and `require` it.")
collectgarbage, warn = nil, nil
math.random = gone("math.random", pure)
math.randomseed = nil
string.dump = nil

-- Tables that only their owner changes, and what iterates them.
local frozen = setmetatable({}, { __mode = "k" })

-- Returns a read-only stand-in for a table. `complete` may add a field when it is first asked for.
-- `value` is what it is in a declaration.
local function freeze(name, plain, known, complete, value)
  local proxy = {}
  local function get(_, key)
    local value = plain[key]
    if value == nil and complete then
      value = complete(plain, key)
    end
    if value == nil and known and type(key) == "string" and not known[key] then
      local words = {}
      for word in next, known do
        words[#words + 1] = word
      end
      sort(words)
      local near = native.nearest(key, words)
      local hint = near and ("Did you mean `" .. near .. "`?") or ("It has: " .. concat(words, ", ") .. ".")
      fail("`" .. name .. "` has no `" .. key .. "`", hint)
    end
    return value
  end
  local function set(_, key)
    fail("`" .. name .. "` is read-only, so `" .. tostring(key) .. "` cannot be set", "Keep it in a variable of your own.")
  end
  frozen[proxy] = plain
  return setmetatable(proxy, {
    __index = get,
    __newindex = set,
    __len = function() return #plain end,
    __metatable = false,
    __plain = value or plain,
  })
end

local rank = { number = 1, string = 2, boolean = 3 }

local function before(a, b)
  local left, right = type(a), type(b)
  if left ~= right then
    return (rank[left] or 4) < (rank[right] or 4)
  elseif left == "boolean" then
    return a and not b
  elseif rank[left] then
    return a < b
  end
  return false
end

local function ascending(list, index)
  index = index + 1
  local value = list[index]
  if value ~= nil then
    return index, value
  end
end

-- `pairs` in the order of the keys: numbers, texts, booleans, then the rest as they come.
local function sorted(plain)
  local length, keys, count, is_list = #plain, {}, 0, true
  for key in next, plain do
    count = count + 1
    keys[count] = key
    if look_through then
      look_through(key, 16)
    end
    is_list = is_list and integer(key) == "integer" and key >= 1 and key <= length
  end
  if is_list then
    return ascending, plain, 0
  end
  spend(4 * count)
  sort(keys, before)
  local index = 0
  return function()
    while true do
      index = index + 1
      local key = keys[index]
      if key == nil then
        return nil
      end
      -- A loop may clear fields that it has not come to.
      local value = plain[key]
      if value ~= nil then
        return key, value
      end
    end
  end, plain, nil
end

function pairs(t)
  local plain = frozen[t]
  if plain then
    return sorted(plain)
  end
  local step, state, start = pairs0(t)
  if rawequal(step, next) then
    return sorted(t)
  end
  return step, state, start
end

_G.next = function(t, key)
  -- `next(t) == nil` asks whether a table is empty; the walk goes in the order of `pairs`.
  if type(t) ~= "table" then
    return plain_next(t, key)
  end
  local plain = frozen[t] or t
  if key ~= nil and plain[key] == nil then
    return plain_next(plain, key)
  end
  local best
  local count = 0
  for other in plain_next, plain do
    count = count + 1
    if look_through then
      look_through(other, 2)
    end
    if (key == nil or before(key, other)) and (best == nil or before(other, best)) then
      best = other
    end
  end
  spend(count)
  if best ~= nil then
    return best, plain[best]
  end
end

local globals, added = native.globals, native.added

local function looking(original)
  return function(t, key, ...)
    look_through(key, 1)
    return original(t, key, ...)
  end
end

if look_through then
  _G.rawequal, _G.rawget, rawset0 = looking(rawequal), looking(rawget), looking(rawset0)
end

function rawset(t, key, value)
  if frozen[t] or t == globals and key ~= nil and rawget(added, key) ~= nil then
    t[key] = value
  end
  return rawset0(t, key, value)
end

-- The address of a table differs from run to run.
function tostring(...)
  local value = ...
  local kind = type(value)
  if kind == "table" or kind == "function" or kind == "userdata" then
    local text = tostring0(value)
    return find(text, "^" .. kind .. ": 0?x?%x+$") and kind or text
  elseif kind == "nil" and select("#", ...) == 0 then
    return tostring0()
  end
  return tostring0(value)
end

-- What loops inside C does not count as instructions, so it pays in advance.
local function pay(first, last)
  -- C takes `1e9` and "9" for whole numbers too.
  first, last = tointeger(tonumber(first)), tointeger(tonumber(last))
  if first and last and last >= first then
    spend(last - first)
  end
end

-- C goes through some sixteen bytes while Lua runs one instruction. What is short is as good as free.
local function pay_for_text(text)
  if type(text) == "string" and #text > 256 then
    spend(#text // 16)
  end
end

function _G.tonumber(...)
  pay_for_digits((...))
  return tonumber0(...)
end

function _G.select(count, ...)
  pay_for_digits(count)
  return select(count, ...)
end

-- Functions and operators that take numbers only.
local function arithmetic(library)
  for name, original in plain_next, library do
    if type(original) == "function" then
      library[name] = function(...)
        local first, second = ...
        pay_for_digits(first)
        pay_for_digits(second)
        return original(...)
      end
    end
  end
end
arithmetic(math)
arithmetic(native.text_operators)

function string.format(template, ...)
  pay_for_text(template)
  if type(template) == "string" and find((gsub(template, "%%%%", "")), "%%[-%d.]*p") then
    fail("`%p` gives an address, and that differs from run to run", "Use a field that names the thing.")
  end
  local values = pack(...)
  for index = 1, values.n do
    local kind = type(values[index])
    if kind == "table" or kind == "function" then
      values[index] = tostring(values[index])
    end
    pay_for_text(values[index])
  end
  return format(template, unpack(values, 1, values.n))
end

local function pay_for_each(template)
  if type(template) == "string" then
    spend(#template)
  end
end

local function paid(library, ...)
  for _, name in ipairs { ... } do
    local original = library[name]
    library[name] = function(...)
      -- Nothing but the first is a text to go through; there may be many others.
      local text, first, last = ...
      pay_for_text(text)
      pay_for_digits(first)
      pay_for_digits(last)
      spend(select("#", ...) // 4)
      return original(...)
    end
  end
end
paid(string, "byte", "char", "len", "lower", "reverse", "sub", "upper")
paid(utf8, "codepoint", "codes", "len", "offset")

local utf8_char = utf8.char
function utf8.char(...)
  spend(4 * select("#", ...))
  return utf8_char(...)
end

local pack_size, unpack_bytes, pack_bytes = string.packsize, string.unpack, string.pack
function string.packsize(template, ...)
  pay_for_each(template)
  return pack_size(template, ...)
end

function string.unpack(template, ...)
  pay_for_each(template)
  return unpack_bytes(template, ...)
end

function string.pack(template, ...)
  pay_for_each(template)
  local values = pack(...)
  for index = 1, values.n do
    pay_for_text(values[index])
  end
  return pack_bytes(template, ...)
end

function string.rep(text, count, ...)
  pay(0, count)
  return rep(text, count, ...)
end

local function length(t)
  return type(t) == "table" and #t or 0
end

-- An item at the end moves no other.
local insert, remove = table.insert, table.remove
function table.insert(t, ...)
  pay_for_digits((...))
  spend(select("#", ...) == 1 and 1 or length(t))
  return insert(t, ...)
end

function table.remove(t, ...)
  pay_for_digits((...))
  spend(select("#", ...) == 0 and 1 or length(t))
  return remove(t, ...)
end

function table.concat(t, ...)
  spend(length(t))
  return concat(t, ...)
end

local function less(a, b)
  if look_through then
    look_through(a, 1)
  end
  return a < b
end

-- Texts are compared in C: a comparison in Lua is counted.
function table.sort(t, ...)
  spend(length(t))
  if select("#", ...) == 0 then
    return sort(t, less)
  end
  return sort(t, ...)
end

-- A stack has room for a million values, and a call takes each of its values twice.
local most_values = 100000

function table.unpack(t, first, last)
  local count = (tointeger(tonumber(last)) or length(t)) - (tointeger(tonumber(first)) or 1)
  if count >= most_values then
    fail("more than " .. most_values .. " values are unpacked at once", "Walk through the table with a loop.")
  end
  pay(first or 1, last or length(t))
  return unpack(t, first, last)
end

function table.move(from, first, last, ...)
  pay(first, last)
  return move(from, first, last, ...)
end

-- A finalizer runs whenever the collector comes by, and where no limit is looked at.
_G.setmetatable = function(t, metatable, ...)
  if type(metatable) == "table" and rawget(metatable, "__gc") ~= nil then
    fail("there is no `__gc` in a playbook", "Use a `<close>` variable for what must be done at the end of a block.")
  end
  return setmetatable(t, metatable, ...)
end

-- The C library's matcher can run for ever on a short pattern, out of reach of the limit.
string.find, string.match, string.gsub = native.strings.find, native.strings.match, native.strings.gsub

local gmatch_step = native.strings.gmatch_step

function string.gmatch(text, pattern, init)
  if type(text) ~= "string" or type(pattern) ~= "string" then
    fail("`gmatch` takes a text and a pattern, got a " .. type(text) .. " and a " .. type(pattern),
      "For example `(\"a,b\"):gmatch(\"[^,]+\")`.")
  end
  local start, last = init or 1, nil
  if start < 0 then
    start = #text + start + 1
  end
  start = (start < 1 and 1 or start) - 1
  local function captures(stop, ...)
    if stop then
      start, last = stop, stop
      return ...
    end
    start = #text + 1
  end
  return function()
    if start > #text then
      return nil
    end
    return captures(gmatch_step(text, pattern, start, last))
  end
end

-- `pcall` gives the text of an error, with its line.
local function results(ok, ...)
  guard(false)
  if ok then
    return true, ...
  end
  return false, native.caught((...))
end

function pcall(...)
  guard(true)
  return results(pcall0(...))
end

function xpcall(f, handler, ...)
  guard(true)
  return results(xpcall0(f, function(value)
    return handler(native.caught(value))
  end, ...))
end

local function text(...)
  local values = pack(...)
  for index = 1, values.n do
    values[index] = tostring(values[index])
  end
  return concat(values, "\t")
end

function print(...)
  native.log(false, text(...))
end

log = freeze("log", {
  info = function(...) native.log(false, text(...)) end,
  warn = function(...) native.log(true, text(...)) end,
}, { info = true, warn = true })

-- host --------------------------------------------------------------------------------------------------------

local function names(...)
  local known = {}
  for _, name in ipairs { ... } do
    known[name] = true
  end
  return known
end

local device_fields = native.device_fields

local function device(plain)
  plain.interfaces = freeze("interfaces", plain.interfaces)
  plain.virtfns = freeze("virtfns", plain.virtfns)
  return freeze(plain.address, plain, device_fields, function(fields, key)
    if key == "modules" then
      fields.modules = freeze("modules", native.modules(fields.address))
      return fields.modules
    elseif key == "foretold_group" then
      local group = native.foretold_group(fields.address)
      fields.foretold_group = group and freeze("foretold_group", group)
      return fields.foretold_group
    end
  end, plain.address)
end

local function bus()
  local devices, by_address = {}, {}
  for index, plain in ipairs(native.devices()) do
    devices[index] = device(plain)
    by_address[plain.address] = devices[index]
  end
  function devices.find(self, selector)
    if not frozen[self] then
      fail("`host.pci.find` is called without the list", "Write `host.pci:find { … }`, with a colon.")
    elseif type(selector) ~= "table" then
      fail("`host.pci:find` takes a table, got a " .. type(selector), "For example `host.pci:find { class = \"display\" }`.")
    end
    local found = {}
    for _, address in ipairs(native.find(selector)) do
      found[#found + 1] = by_address[address]
    end
    return setmetatable(found, { __metatable = false, __found = true, __index = function(_, key)
      if device_fields[key] then
        fail("`host.pci:find` gives a list, and a list has no `" .. key .. "`", "Take one of it: `host.pci:find { … }[1]`.")
      end
    end })
  end
  return freeze("host.pci", devices, names("find"))
end

local lazy = {
  distro = function()
    return freeze("host.distro", native.distro(), names("id", "version", "family"))
  end,
  kernel = function()
    return freeze("host.kernel", { release = native.kernel_release() }, names("release"))
  end,
  cpu = function()
    return freeze("host.cpu", { vendor = native.cpu_vendor() }, names("vendor"))
  end,
  pci = bus,
}

host = freeze("host", { available = native.available }, names("available", "distro", "kernel", "cpu", "pci"),
  function(plain, key)
    if lazy[key] then
      plain[key] = lazy[key]()
      return plain[key]
    end
  end)

-- The globals of shipped Lua: copies, because a playbook may change its own.
local prelude = {}
for name, value in next, _G do
  if type(value) == "table" and not frozen[value] and name ~= "_G" then
    local copy = {}
    for key, inner in next, value do
      copy[key] = inner
    end
    value = copy
  end
  prelude[name] = value
end
prelude._G = nil
prelude.native = native
return setmetatable(prelude, { __index = native.added })
