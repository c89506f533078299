-- Every line that is wrong says how: `.ci/lua-check` wants these complaints and no others.

driver_binding { device = host.pci:find { vendor = "10de", class = "display" }[1], driver = "vfio-pci" }
sriov_numvfs { name = "lan", device = { interface = "lan" }, numvfs = #host.pci, autoprobe = false }
modprobe_options { module = "kvm", options = { ignore_msrs = true, halt_poll_ns = 0, nx_huge_pages = "off" } }

kernel_cmdline { presnt = { "quiet" } } -- wrong: assign-type-mismatch
kernel_cmdline { present = "quiet" } -- wrong: assign-type-mismatch
kernel_cmdline { present = { "quiet", 7 } } -- wrong: assign-type-mismatch
modprobe_softdep { pre = { "vfio-pci" } } -- wrong: missing-fields param-type-mismatch
modprobe_options { module = "kvm", options = { ignore_msrs = {} } } -- wrong: assign-type-mismatch
modprobe_sofdep { module = "nouveau", pre = { "vfio-pci" } } -- wrong: undefined-global
sriov_numvfs { device = "0000:3b:00.0", numvfs = "4" } -- wrong: assign-type-mismatch
driver_binding { device = { vendr = "10de" }, driver = "vfio-pci" } -- wrong: assign-type-mismatch

-- Types of plugins.
linux.thp { mod = "never" } -- wrong: assign-type-mismatch missing-fields
linux.thp { mode = "sometimes" } -- wrong: assign-type-mismatch
linux.thq { mode = "never" } -- wrong: undefined-field
vm.hugepages { size = "3M", pages = 4 } -- wrong: assign-type-mismatch
vm.hugepages { size = "2M", pages = 4, at_bot = 8 } -- wrong: assign-type-mismatch

-- Composites.
gpu_passthrough { device = 1 } -- wrong: assign-type-mismatch
gpu_passthrough { device = "0000:01:00.0", whole_grup = true } -- wrong: assign-type-mismatch
iommu { passthrough = "yes" } -- wrong: assign-type-mismatch
sriov_nic { device = { interface = "lan" } } -- wrong: missing-fields param-type-mismatch

-- Facts.
if host.cpu.vendr == "GenuineIntel" then -- wrong: undefined-field
  log.wran(host.kernel.relase) -- wrong: undefined-field
end
for _, card in ipairs(host.pci:find { clas = "display" }) do -- wrong: assign-type-mismatch
  log.info(card.adress, host.pci:fnd {}) -- wrong: undefined-field
end

-- A type in Lua.
resource_type {
  name = "acme.lamp",
  feilds = { on = { type = "boolean" } }, -- wrong: assign-type-mismatch
  fields = {},
  inspect = function(desired, host)
    if host:raed("/sys/lamp") == desired.on then -- wrong: undefined-field
      return { settings = { { scope = "now", subject = "lamp", state = { state = "converged" } } } } -- wrong: assign-type-mismatch
    end
    local step = { kind = "write_attribute", path = "/sys/lamp", value = "on" }
    local state = { state = "drifted", remdy = { steps = { step } } }
    return { settings = { { scope = "runtime", subject = "lamp", state = state } } } -- wrong: assign-type-mismatch
  end,
}
