-- GPU passthrough as the walk-through has it: an untouched disk, converge, a real reboot, vfio-pci in use.
local gpu = require "lib.gpu"

for _, firmware in ipairs { "bios", "efi" } do
  for _, iommu in ipairs { "intel", "amd" } do
    local name = ("gpu-%s-%s"):format(firmware, iommu)
    scenario {
      name = name,
      about = ("the walk-through by hand on a %s machine with an %s IOMMU; a second GPU keeps the console"):format(
        firmware, iommu),
      bed = "vm",
      machine = gpu.machine { firmware = firmware, iommu = iommu },
      playbook = "lib/gpu-walkthrough.lua",
      ci = name == "gpu-bios-intel",
      seconds = 3000,
      steps = function(host)
        gpu.walk_through(host, name .. ".diff")
      end,
    }
  end
end

scenario {
  name = "gpu-one-line",
  about = "the same by `gpu_passthrough`, survives a power cut, and is taken back by a rollback",
  bed = "vm",
  machine = gpu.machine { firmware = "bios", iommu = "intel" },
  playbook = [[gpu_passthrough { device = "0000:01:00.0" }]],
  seconds = 3000,
  steps = function(host)
    gpu.walk_through(host, "gpu-one-line.diff")
    host:power_cycle()
    gpu.expect_passed_through(host)
    host:hoststate { "rollback", "--yes" }
    host:reboot()
    gpu.expect_untouched(host)
  end,
}
