-- What a step printed, or a text, has every one of these texts in it, wherever its lines are broken.
return function(printed, ...)
  local all = type(printed) == "string" and printed or printed.stdout .. printed.stderr
  for _, text in ipairs { ... } do
    assert(all:gsub("%s+", " "):find(text, 1, true), ("expected `%s` in:\n%s"):format(text, all))
  end
end
