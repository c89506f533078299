-- Broken on purpose: every kind of bed turns red, and says why. `fails_with` is what the failure has to say.
local function broken(it)
  it.bed = "container"
  it.machine = { image = "debian-initramfs-tools" }
  it.ci = true
  scenario(it)
end

broken {
  name = "broken-playbook",
  about = "a playbook with a misspelt field",
  playbook = [[kernel_cmdline { presnt = { "intel_iommu=on" } }]],
  fails_with = { "broken.lua:15", "exit status of `hoststate converge`", "playbook.lua:1", "presnt", "present" },
  steps = function(host)
    host:converge()
  end,
}

broken {
  name = "broken-status",
  about = "changes where none are expected",
  playbook = [[kernel_cmdline { present = { "intel_iommu=on" } }]],
  fails_with = { "broken.lua:25", "`hoststate verify`", "expected: 0", "found:    2" },
  steps = function(host)
    host:verify()
  end,
}

broken {
  name = "broken-idempotence",
  about = "a converge that does have something to do",
  playbook = [[modprobe_options { module = "kvm", options = { ignore_msrs = 1 } }]],
  fails_with = { "broken.lua:35", "nothing to do", "expected: 0 or 3", "found:    2" },
  steps = function(host)
    host:expect_no_changes()
  end,
}

broken {
  name = "broken-diff",
  about = "a diff that is not the stored one",
  playbook = [[modprobe_options { module = "kvm", options = { ignore_msrs = 1 } }]],
  fails_with = { "broken.lua:45", "broken.diff", "-+options kvm ignore_msrs=0", "++options kvm ignore_msrs=1" },
  steps = function(host)
    host:expect_diff "broken.diff"
  end,
}

broken {
  name = "broken-step",
  about = "a step that no bed has",
  fails_with = { "broken.lua:54", "there is no step", "expect_divers" },
  steps = function(host)
    host:expect_divers("0000:01:00.0", "vfio-pci")
  end,
}

scenario {
  name = "broken-driver",
  about = "a device that stays with its driver, on a real kernel",
  bed = "fast-vm",
  machine = { iommu = "intel", root_ports = { { "e1000e" } } },
  ci = true,
  fails_with = { "broken.lua:66", "driver of 0000:01:00.0", "expected: vfio-pci", "found:    e1000e" },
  steps = function(host)
    host:expect_driver("0000:01:00.0", "vfio-pci")
  end,
}

scenario {
  name = "broken-reboot",
  about = "a reboot that was forgotten, on a machine with a boot loader",
  bed = "vm",
  playbook = [[kernel_cmdline { present = { "intel_iommu=on" } }]],
  ci = true,
  fails_with = { "broken.lua:79", "`hoststate verify`", "expected: 0", "found:    3" },
  steps = function(host)
    host:converge { status = 3 }
    host:verify()
  end,
}

scenario {
  name = "broken-entry",
  about = "a boot entry that a hand took the words from, on a machine whose boot loader reads entries",
  bed = "vm",
  machine = { image = "vm-el", memory = 1536 },
  playbook = [[kernel_cmdline { present = { "intel_iommu=on" } }]],
  fails_with = { "broken.lua:93", "`hoststate verify`", "expected: 0", "found:    2", "/boot/loader/entries/" },
  steps = function(host)
    host:converge { status = 3 }
    host:shell "sed -i 's/ intel_iommu=on//' /boot/loader/entries/*"
    host:verify()
  end,
}
