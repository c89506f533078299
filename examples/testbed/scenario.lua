-- Copy this directory, put your playbook into it, and prove it before a real machine meets it:
--   cargo testbed run path/to/scenario.lua --bless     stores the diff; read it
--   cargo testbed run path/to/scenario.lua             from then on: red when anything differs
-- docs/testbeds.md lists the beds, the machines and the steps.
scenario {
  name = "my-host",
  about = "my playbook, on a Debian host that has never seen it",
  bed = "container",
  machine = { image = "debian-initramfs-tools" },
  playbook = "playbook.lua",
  steps = function(host)
    -- What the playbook would do to this host is exactly what scenario.diff says.
    host:expect_diff "scenario.diff"

    -- It does it; nothing but the reboot is left.
    host:converge { status = 3 }
    host:expect_output("grep -c 'linux.*intel_iommu=on' /boot/grub/grub.cfg", "3")

    -- It holds after the reboot, and a second run changes nothing and runs nothing.
    host:reboot()
    host:verify()
    host:expect_output("cat /proc/cmdline", { contains = "intel_iommu=on iommu=pt" })
    host:expect_no_changes()
  end,
}
