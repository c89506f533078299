-- The machine of the GPU scenarios, and what is true of it before and after.
local gpu = {}

-- The card to pass through is a bochs-display with an HDA function, in one IOMMU group behind a root port.
-- The console stays on a cirrus card, which has a driver and ids of its own.
function gpu.machine(machine)
  machine.console = "cirrus-vga"
  machine.root_ports = { { "bochs-display", "intel-hda" } }
  return machine
end

function gpu.expect_untouched(host)
  host:expect_driver("0000:01:00.0", "bochs-drm")
  host:expect_driver("0000:01:00.1", "snd_hda_intel")
end

function gpu.expect_passed_through(host)
  host:expect_driver("0000:01:00.0", "vfio-pci")
  host:expect_driver("0000:01:00.1", "vfio-pci")
  host:expect_output("lspci -nnk -s 01:00", { contains = "Kernel driver in use: vfio-pci" })
  host:expect_output("lspci -nnk -s 01:00", { lacks = "in use: bochs-drm" })
  host:expect_output("lspci -nnk -s 00:02.0", { contains = "Kernel driver in use: cirrus" })
  host:expect_output("cat /proc/fb", { contains = "cirrus" })
  host:shell "test -c /dev/vfio/$(basename $(readlink /sys/bus/pci/devices/0000:01:00.0/iommu_group))"
end

-- What is said here stands between the commands in docs/gpu-passthrough.md, which is made of the transcript.
function gpu.walk_through(host, diff)
  gpu.expect_untouched(host)
  host:say [[
The host as the installer left it. The card to give away is at 01:00.0, with its sound function at 01:00.1; both
are held by drivers of the host. The other card, at 00:02.0, shows the console.]]
  host:shell "cat /proc/cmdline; lspci -nnk | grep -A 3 -E '^(00:02|01:00)'"
  host:say "Both functions are alone in their IOMMU group: that is what a guest is given as a whole."
  host:hoststate { "inspect", "devices" }
  host:say "Everything that is about to change, as a diff. Nothing is changed by looking."
  host:expect_diff(diff)
  host:say "The same again, carried out: files first, then the distribution's own tools."
  host:converge { status = 3 }
  host:say "Exit status 3: all is done but for a reboot. Until then `verify` says what still waits for it."
  host:verify { status = 3 }
  host:reboot()
  host:say "The boot loader gave the kernel the words, and vfio-pci came before the card's own drivers."
  host:shell "lspci -nnk | grep -A 3 -E '^(00:02|01:00)'"
  host:verify()
  gpu.expect_passed_through(host)
  host:say "Nothing is left to do, and a second run does nothing."
  host:plan { status = 0 }
  host:expect_no_changes { status = 0 }
end

return gpu
