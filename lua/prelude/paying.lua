-- What is done with a text pays by its length, where a quick evaluation saw that long texts may be compared or looked up
-- without end. What makes texts pays anyway: by the memory it takes.

local native = ...
local spend = native.spend
local setmetatable, type = setmetatable, type

-- Pays for so many looks at a value.
local function look_through(value, times)
  if type(value) == "string" and #value > 256 then
    spend(#value // 64 * times)
  end
end

-- `a == b` is loaded as `a == pays .. b`, and `t[k]` as `t[pays .. (k)]`.
local pays = setmetatable({}, {
  __concat = function(_, value)
    if type(value) == "string" and #value > 256 then
      spend(#value // 64)
    end
    return value
  end,
  __metatable = false,
})

return pays, look_through
