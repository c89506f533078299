-- What is deleted from a playbook and pruned: after a boot the host is as if it had never been there.
local gpu = require "lib.gpu"
local traces = require "lib.traces"
local expect_in = require "lib.expect_in"

local passed = [[gpu_passthrough { device = "0000:01:00.0" }]]
local nothing = "-- nothing any more"

scenario {
  name = "prune-gpu",
  about = "the card is given away by one line, and back to the host by deleting it: a boot after each",
  bed = "vm",
  machine = gpu.machine { firmware = "bios", iommu = "intel" },
  playbook = passed,
  seconds = 3000,
  steps = function(host)
    gpu.expect_untouched(host)
    local before = traces.of(host)
    host:converge { status = 3 }
    host:reboot()
    gpu.expect_passed_through(host)

    host:say "the line is deleted: nothing happens by itself, and it is listed"
    host:playbook(nothing)
    expect_in(host:plan { status = 0 }, "No longer declared, and still in place", "/root/playbook.lua:1")
    host:expect_no_changes { status = 0 }
    host:converge { status = 3, options = { "--prune" } }
    host:reboot()
    gpu.expect_untouched(host)
    host:verify { options = { "--prune" } }
    traces.expect(host, before)
    host:expect_no_changes { status = 0 }
  end,
}

local igb = "0000:01:00.0"

local function expect_count(host, count)
  host:wait_for(("test $(cat /sys/bus/pci/devices/%s/sriov_numvfs) = %d"):format(igb, count))
end

scenario {
  name = "prune-sriov",
  about = "virtual functions, one of them for a guest, are gone with their lines, and stay gone",
  bed = "vm",
  machine = { iommu = "intel", root_ports = { { "igb" } } },
  playbook = [[
    sriov_numvfs { device = "0000:01:00.0", numvfs = 4, autoprobe = false }
    driver_binding { device = "0000:01:10.0", driver = "vfio-pci" }]],
  seconds = 3000,
  steps = function(host)
    host:expect_driver(igb, "igb")
    local before = traces.of(host)
    host:converge { status = { 2, 3 } }
    host:reboot()
    expect_count(host, 4)
    host:expect_driver("0000:01:10.0", "vfio-pci")
    host:verify()

    host:say "half of it first: the functions stay, and the driver of the first is its own"
    host:playbook [[sriov_numvfs { device = "0000:01:00.0", numvfs = 4, autoprobe = false }]]
    host:converge { status = { 2, 3 }, options = { "--prune" } }
    host:reboot()
    expect_count(host, 4)
    host:expect_driver("0000:01:10.0", nil)
    host:verify { options = { "--prune" } }

    host:playbook(nothing)
    host:converge { status = { 2, 3 }, options = { "--prune" } }
    expect_count(host, 0)
    host:reboot()
    expect_count(host, 0)
    host:expect_driver(igb, "igb")
    host:shell "test ! -e /sys/bus/pci/devices/0000:01:10.0"
    host:verify { options = { "--prune" } }
    traces.expect(host, before)
  end,
}

local function of(owner, ...)
  return { "--owner", owner, ... }
end

scenario {
  name = "prune-owners",
  about = "two owners give one card away: it is the host's again when the second lets go of it, and not before",
  bed = "vm",
  machine = gpu.machine { firmware = "bios", iommu = "intel" },
  playbook = passed,
  seconds = 3600,
  steps = function(host)
    local before = traces.of(host)
    host:converge { status = 3, options = of "lab" }
    host:reboot()
    host:converge { status = { 0, 2 }, options = of "desk" }
    gpu.expect_passed_through(host)

    host:say "the first lets go of it"
    host:playbook(nothing)
    local kept = host:converge { status = 0, options = of("lab", "--prune") }
    expect_in(kept, "desk declares it too")
    host:reboot()
    gpu.expect_passed_through(host)

    host:say "and the second"
    host:converge { status = 3, options = of("desk", "--prune") }
    host:reboot()
    gpu.expect_untouched(host)
    host:verify { options = of("desk", "--prune") }
    host:verify { options = of("lab", "--prune") }
    traces.expect(host, before)
  end,
}
