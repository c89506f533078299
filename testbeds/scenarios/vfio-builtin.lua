-- A kernel with vfio-pci built in: what modprobe.d says of it nothing reads, so the ids have to be words for the kernel.
local gpu = require "lib.gpu"

scenario {
  name = "gpu-vfio-builtin",
  about = "where vfio-pci is built in, lines of modprobe.d do nothing; the ids go onto the command line, and work",
  bed = "vm",
  machine = gpu.machine { image = "vm-vfio", iommu = "intel" },
  playbook = [[gpu_passthrough { device = "0000:01:00.0" }]],
  seconds = 3600,
  steps = function(host)
    host:expect_output("grep -c /vfio-pci.ko /lib/modules/$(uname -r)/modules.builtin", "1")
    host:expect_output("ls /sys/kernel/iommu_groups | wc -l", "0")

    host:say "what every guide says, by hand, and the IOMMU on: the card stays with its drivers"
    host:put("/etc/modprobe.d/vfio.conf", [[
options vfio-pci ids=1234:1111,8086:2668
softdep bochs pre: vfio-pci
softdep snd_hda_intel pre: vfio-pci
]], 420)
    host:shell [[
      sed -i 's/^GRUB_CMDLINE_LINUX="/&intel_iommu=on /' /etc/default/grub
      update-initramfs -u && update-grub]]
    host:reboot()
    host:expect_output("ls /sys/kernel/iommu_groups | wc -l", { lacks = "^0" })
    gpu.expect_untouched(host)
    host:expect_output("hoststate why 0000:01:00.0", { contains = "vfio-pci is built in, and no line of modprobe.d reaches it" })

    host:say "by hoststate"
    host:expect_diff "gpu-vfio-builtin.diff"
    host:converge { status = 3 }
    host:expect_output("cat /boot/grub/grub.cfg", { contains = "vfio-pci.ids=1234:1111,8086:2668" })
    host:reboot()
    host:expect_output("cat /proc/cmdline", { contains = "vfio-pci.ids=1234:1111,8086:2668" })
    gpu.expect_passed_through(host)
    host:verify()
    host:plan { status = 0 }
    host:expect_no_changes { status = 0 }
    host:expect_output("hoststate why 0000:01:00.0", { contains = "0000:01:00.0 is on vfio-pci, as wanted" })
  end,
}
