-- The driver of a device: now, back again, one that refuses, a device that goes away and returns.
local expect_in = require "lib.expect_in"

local card = "0000:01:00.0"

local function bound(driver)
  return ('driver_binding { device = "%s", driver = "%s" }'):format(card, driver)
end

scenario {
  name = "drivers",
  about = "to vfio-pci and back, a driver that refuses, a device that vanishes and comes back",
  bed = "fast-vm",
  machine = { iommu = "intel", root_ports = { { "e1000e" } } },
  playbook = bound "vfio-pci",
  ci = true,
  steps = function(host)
    host:expect_driver(card, "e1000e")
    host:expect_diff "drivers.diff"
    host:converge { status = 2 }
    host:expect_driver(card, "vfio-pci")
    host:expect_no_changes { status = 0 }

    host:say "back to the host's driver"
    host:playbook(bound "e1000e")
    host:converge { status = 2 }
    host:expect_driver(card, "e1000e")
    host:expect_no_changes { status = 0 }

    host:say "a driver that is for other devices"
    host:playbook(bound "igb")
    local refused = host:converge { status = { 1, 4 } }
    host:say(refused.stdout .. refused.stderr)
    assert((refused.stdout .. refused.stderr):find("igb", 1, true), "the message does not name the driver")
    assert((refused.stdout .. refused.stderr):find("given back to e1000e", 1, true), "it is not given back")
    host:expect_driver(card, "e1000e")

    host:say "a device that is taken away and comes back"
    host:playbook(bound "vfio-pci")
    host:converge { status = 2 }
    host:shell("echo 1 > /sys/bus/pci/devices/" .. card .. "/remove")
    local without = host:plan { status = 1 }
    assert(without.stdout:find("the device is gone", 1, true), without.stdout)
    host:verify { status = 2 }
    host:shell "echo 1 > /sys/bus/pci/rescan"
    host:converge()
    host:expect_driver(card, "vfio-pci")
    host:expect_no_changes { status = 0 }
  end,
}

scenario {
  name = "held",
  about = "a guest has the device: taking it away is refused, and where that is accepted the write that hangs is told",
  bed = "vm",
  machine = { iommu = "intel", root_ports = { { "e1000e" } } },
  playbook = bound "vfio-pci",
  steps = function(host)
    host:converge { status = { 0, 2 } }
    host:expect_driver(card, "vfio-pci")
    host:say "what QEMU does with the device of a guest (VFIO_SET_IOMMU and its kin, include/uapi/linux/vfio.h)"
    host:put("/root/guest", [[
use Fcntl;
my ($number, $address) = @ARGV;
sysopen(my $container, "/dev/vfio/vfio", O_RDWR) or die "vfio: $!";
sysopen(my $group, "/dev/vfio/$number", O_RDWR) or die "group: $!";
defined ioctl($group, 0x3b68, pack("i", fileno $container)) or die "VFIO_GROUP_SET_CONTAINER: $!";
defined ioctl($container, 0x3b66, 1) or die "VFIO_SET_IOMMU: $!";
defined ioctl($group, 0x3b6a, "$address\0") or die "VFIO_GROUP_GET_DEVICE_FD: $!";
open(my $ready, ">", "/run/guest") or die;
sleep;
]])
    host:shell(([[
      group=$(basename "$(readlink /sys/bus/pci/devices/%s/iommu_group)")
      perl /root/guest "$group" %s >/root/guest.log 2>&1 &
      echo $! >/run/guest.pid]]):format(card, card))
    host:wait_for("test -e /run/guest", 20)

    host:playbook(bound "e1000e")
    local refused = host:converge { status = 4 }
    expect_in(refused, "held-by-guest", "perl", "/dev/vfio/")
    host:expect_driver(card, "vfio-pci")

    host:say "accepted all the same: the kernel waits for the guest"
    local id = refused.stdout:match "held%-by%-guest%-%x+"
    local hung = host:converge { status = 1, options = { "--accept", id }, seconds = 300 }
    host:say(hung.stdout .. hung.stderr)
    expect_in(hung, "the kernel did not answer within 120s", "vfio_unregister_group_dev", "perl", card .. " is between drivers")
    host:shell "kill $(cat /run/guest.pid)"
    host:wait_for(("test ! -e /sys/bus/pci/drivers/vfio-pci/%s"):format(card), 20)
    host:converge { status = { 0, 2 } }
    host:expect_driver(card, "e1000e")
    host:verify()
    host:expect_no_changes { status = 0 }
  end,
}

local rules = "/etc/udev/rules.d/70-hoststate-driver.rules"
local ruled_machine = { iommu = "intel", root_ports = { { "e1000e" }, { "igb" } } }
local ruled = bound "vfio-pci" .. [[

  sriov_numvfs { device = "0000:02:00.0", numvfs = 2, autoprobe = false }]]

local function expect_count(host, count)
  host:expect_output("cat /sys/bus/pci/devices/0000:02:00.0/sriov_numvfs", tostring(count))
end

-- Boot rules for both cards are written, from what their own drivers have.
local function write_rules(host)
  host:expect_driver(card, "e1000e")
  host:expect_driver("0000:02:00.0", "igb")
  host:converge { status = { 2, 3 } }
end

scenario {
  name = "boot-rule",
  about = "what a boot rule has hoststate do: for the card, beside an image that has the rule only, and for a twin",
  bed = "vm",
  machine = ruled_machine,
  playbook = ruled,
  seconds = 3000,
  steps = function(host)
    write_rules(host)
    host:expect_output("cat " .. rules, { contains = "/usr/local/bin/hoststate boot-device 0000:01:00.0 driver=vfio-pci serial=" })
    host:reboot()
    host:wait_for "test $(cat /sys/bus/pci/devices/0000:02:00.0/sriov_numvfs) = 2"
    host:expect_driver(card, "vfio-pci")
    host:expect_driver("0000:02:10.0", nil)
    host:expect_output("journalctl -b -t hoststate", { lacks = card })
    host:expect_no_changes { status = 0 }

    host:say "the image has a copy of the rules, and no hoststate"
    host:shell "update-initramfs -u -k all"
    host:reboot()
    host:wait_for "test $(cat /sys/bus/pci/devices/0000:02:00.0/sriov_numvfs) = 2"
    host:expect_driver(card, "vfio-pci")
    host:expect_no_changes { status = 0 }

    host:say "a twin of the card is given back, in the image too, and the journal says why"
    host:shell("sed -i 's/serial=52/serial=53/' " .. rules)
    host:reboot()
    host:expect_driver(card, "e1000e")
    host:expect_output("journalctl -b -t hoststate", { contains = card .. ": it has the serial number 52-54-00" })
    host:converge { status = { 0, 2, 3 } }
    host:expect_driver(card, "vfio-pci")
  end,
}

scenario {
  name = "boot-rule-lost",
  about = "boot rules without hoststate, and as an earlier version wrote them",
  bed = "vm",
  machine = ruled_machine,
  playbook = ruled,
  seconds = 3000,
  steps = function(host)
    write_rules(host)
    host:say "without hoststate the boot makes no functions, and does no harm"
    host:shell "mv /usr/local/bin/hoststate /root/away"
    host:reboot()
    expect_count(host, 0)
    host:expect_driver("0000:02:00.0", "igb")
    host:converge { status = { 0, 2, 3 } }
    expect_count(host, 2)

    host:say "what an earlier version wrote is understood, and replaced"
    host:put(rules, ('ACTION=="add", SUBSYSTEM=="pci", KERNEL=="%s", ATTR{driver_override}="vfio-pci", ' ..
      'RUN{builtin}+="kmod load vfio-pci"\n'):format(card))
    local plan = host:plan { status = { 0, 2 } }
    assert(plan.stdout:find("driver_override=vfio-pci for any device", 1, true), plan.stdout)
    host:converge { status = { 0, 2, 3 } }
    host:shell("test $(grep -c ACTION " .. rules .. ") = 1")
    host:expect_no_changes { status = 0 }
  end,
}
