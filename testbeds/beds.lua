-- One plain bed of every kind, for `cargo testbed shell BED`; a scenario's own bed is had by the scenario's name.
local machines = {
  container = { image = "debian-initramfs-tools" },
  fleet = { hosts = 3 },
  vm = { iommu = "intel", root_ports = { { "bochs-display", "intel-hda" }, { "igb" } } },
  ["fast-vm"] = { iommu = "intel", root_ports = { { "bochs-display", "intel-hda" }, { "igb" } } },
}

for bed, machine in pairs(machines) do
  scenario { name = bed, about = "a plain bed", bed = bed, machine = machine, steps = function() end }
end
