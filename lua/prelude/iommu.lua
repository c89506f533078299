-- iommu { passthrough = true }: the kernel parameters that switch the IOMMU on for this CPU.

local composite = ...

-- Intel's driver is off by default in many kernels and takes `on`. It does not know `intel_iommu=pt`.
local function intel()
  kernel_cmdline { name = "iommu", present = { "intel_iommu=on" } }
end

-- AMD's driver is on wherever the firmware describes an IOMMU, unless it is switched off. Guides write
-- `amd_iommu=on`; the kernel does not know that word and ignores it. So its effect is declared, not the word.
local function amd(absent)
  if absent then
    return
  end
  kernel_cmdline { name = "iommu", absent = { "amd_iommu=off" } }
  log.info("iommu: AMD's IOMMU is on by itself; the kernel does not know `amd_iommu=on`, which is left out")
end

-- Nothing switches these on: the kernel uses them wherever the firmware describes them (IORT, device tree, OPAL).
local function none(absent)
  if absent then
    return
  end
  log.info("iommu: the IOMMU of this CPU is on by itself and needs no kernel parameter")
end

local words = {
  GenuineIntel = intel,
  CentaurHauls = intel,
  ["Shanghai"] = intel,
  AuthenticAMD = amd,
  HygonGenuine = amd,
  ARM = none,
  POWER = none,
  ["IBM/S390"] = none,
}

-- Keeping a parameter away adds nothing that an absent declaration could take out.
local function keep_away(fields, absent)
  if not absent then
    kernel_cmdline(fields)
  end
end

return function(fields, absent)
  if not fields.vendor and composite.without_host("iommu") then
    return
  end
  local vendor = fields.vendor or host.cpu.vendor
  if not vendor then
    composite.fail("iommu", "the CPU's vendor is unknown: this tree has no /proc/cpuinfo that names it",
      "Give `vendor = \"GenuineIntel\"` or `vendor = \"AuthenticAMD\"`.")
  end
  local switch_on = words[vendor:match("^%s*(.-)%s*$")]
  if not switch_on then
    composite.fail("iommu", "a CPU of \"" .. vendor .. "\" is neither Intel's nor AMD's",
      "Declare the parameters with `kernel_cmdline`.")
  end
  switch_on(absent)
  if switch_on == none then
    -- `iommu=` is a parameter of x86.
    if vendor == "ARM" and fields.passthrough then
      kernel_cmdline { name = "iommu passthrough", present = { "iommu.passthrough=1" } }
    elseif vendor == "ARM" and fields.passthrough == false then
      keep_away({ name = "iommu without passthrough", absent = { "iommu.passthrough=1" } }, absent)
    end
    return
  end
  -- Separate, so that two calls that differ in one of the two agree about the other.
  if fields.passthrough then
    kernel_cmdline { name = "iommu passthrough", present = { "iommu=pt" } }
  else
    local others = { "iommu=off", "iommu=soft" }
    if fields.passthrough == false then
      others[3] = "iommu=pt"
    end
    keep_away({ name = "iommu without passthrough", absent = others }, absent)
  end
end
