-- Virtual functions on a real kernel: what it accepts, what it refuses, and what is left after a boot.
local port_up = require "lib.port_up"

local igb, nvme = "0000:01:00.0", "0000:02:00.0"
local first = "0000:01:10.0"

local function functions(count, more)
  return ('sriov_numvfs { device = "%s", numvfs = %d%s }'):format(igb, count, more or "")
end

local function expect_count(host, device, count)
  host:expect_output("cat /sys/bus/pci/devices/" .. device .. "/sriov_numvfs", tostring(count))
end

scenario {
  name = "sriov",
  about = "igb and nvme: 0 to 4, 4 to 2, too many, autoprobe off, functions for vfio-pci, a port without driver",
  bed = "fast-vm",
  machine = { iommu = "intel", root_ports = { { "igb" }, { "nvme-sriov" } } },
  playbook = functions(4),
  ci = true,
  steps = function(host)
    host:expect_driver(igb, "igb")
    host:expect_diff "sriov.diff"
    host:converge { status = 2 }
    expect_count(host, igb, 4)
    host:expect_driver(first, "igbvf")
    host:expect_no_changes { status = 0 }

    host:say "from 4 to 2: the kernel wants a 0 in between"
    host:playbook(functions(2))
    host:converge { status = 2 }
    expect_count(host, igb, 2)
    host:expect_no_changes { status = 0 }

    host:say "more than there can be"
    host:playbook(functions(64))
    local refused = host:plan { status = 1 }
    assert(refused.stderr:find("offers 7 virtual functions", 1, true), refused.stderr)
    expect_count(host, igb, 2)

    host:say "functions that the host leaves alone, the first of them for a guest"
    host:playbook(functions(3, ", autoprobe = false") .. [[

      driver_binding { device = "0000:01:10.0", driver = "vfio-pci" }]])
    host:converge { status = 2 }
    expect_count(host, igb, 3)
    host:expect_driver(first, "vfio-pci")
    host:expect_driver("0000:01:10.2", nil)
    host:expect_no_changes { status = 0 }

    host:say "a port without its driver has no functions to give"
    host:shell("echo " .. igb .. " > /sys/bus/pci/drivers/igb/unbind")
    host:playbook(functions(2))
    local stopped = host:converge { status = { 1, 4 } }
    assert((stopped.stdout .. stopped.stderr):find("driver", 1, true), stopped.stderr)
    host:shell("echo " .. igb .. " > /sys/bus/pci/drivers/igb/bind")
    host:converge { status = 2 }
    expect_count(host, igb, 2)

    host:say "an NVMe with two functions for guests"
    host:playbook(('sriov_numvfs { device = "%s", numvfs = 2, autoprobe = false }'):format(nvme))
    host:converge { status = 2 }
    expect_count(host, nvme, 2)
    host:expect_no_changes { status = 0 }
  end,
}

scenario {
  name = "sriov-reboot",
  about = "virtual functions, and a driver, are back after a reboot and after a power cut; a port in use is not taken",
  bed = "vm",
  machine = { iommu = "intel", root_ports = { { "igb" }, { "e1000e" } } },
  playbook = functions(4, ", autoprobe = false") .. [[

    driver_binding { device = "0000:01:10.0", driver = "vfio-pci" }
    driver_binding { device = "0000:02:00.0", driver = "vfio-pci" }]],
  seconds = 3000,
  steps = function(host)
    host:expect_driver("0000:02:00.0", "e1000e")
    host:converge { status = { 2, 3 } }
    local function expect_all()
      host:wait_for("test $(cat /sys/bus/pci/devices/" .. igb .. "/sriov_numvfs) = 4")
      host:expect_driver(first, "vfio-pci")
      host:expect_driver("0000:01:10.2", nil)
      host:expect_driver("0000:02:00.0", "vfio-pci")
      host:verify()
      host:expect_no_changes { status = 0 }
    end
    host:reboot()
    expect_all()
    host:power_cycle()
    expect_all()

    host:say "a port that carries the default route"
    port_up(host, igb, "192.0.2.2/24", "192.0.2.1")
    host:playbook 'driver_binding { device = "0000:01:00.0", driver = "vfio-pci" }'
    local refused = host:converge { status = 4 }
    host:say(refused.stdout)
    host:expect_driver(igb, "igb")
  end,
}
