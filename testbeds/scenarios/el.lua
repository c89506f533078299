-- The EL family: boot entries that GRUB's blscfg reads at boot, dracut, and /etc/kernel/cmdline for kernels to come.
local gpu = require "lib.gpu"

for _, firmware in ipairs { "bios", "efi" } do
  local name = "gpu-el-" .. firmware
  scenario {
    name = name,
    about = ("the walk-through on an EL-like %s host; a kernel installed afterwards comes up with the arguments"):format(firmware),
    bed = "vm",
    machine = gpu.machine { image = "vm-el", firmware = firmware, iommu = "intel", memory = 1536 },
    playbook = "lib/gpu-walkthrough.lua",
    seconds = 3600,
    steps = function(host)
      gpu.walk_through(host, name .. ".diff")

      host:say "another kernel is installed, as its package's scripts do it: the entry is made of /etc/kernel/cmdline"
      host:shell [[
        set -e
        release=$(ls /srv/modules)
        mv "/srv/modules/$release" /lib/modules/
        kernel-install add "$release" "/lib/modules/$release/vmlinuz"
        cat /boot/loader/entries/*"$release"*]]
      host:reboot()
      host:expect_output("uname -r", { contains = "-rt-amd64" })
      host:expect_output("cat /proc/cmdline", { contains = "intel_iommu=on iommu=pt" })
      gpu.expect_passed_through(host)
      host:verify()
      host:expect_no_changes { status = 0 }
    end,
  }
end
