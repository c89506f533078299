-- Boots that are tried, boots that fail, boots that finish what was left, and what `verify` says after each.
local expect_in = require "lib.expect_in"
local port_up = require "lib.port_up"

local record = "/var/lib/hoststate/at-boot.json"

local function words(...)
  return ('kernel_cmdline { name = "words", present = { "%s" } }'):format(table.concat({ ... }, '", "'))
end

local function shell_quoted(text)
  return (text:gsub("'", "'\\''"))
end

local function expect_words(host, wanted)
  for word, is_there in pairs(wanted) do
    host:expect_output("cat /proc/cmdline", is_there and { contains = word } or { lacks = word })
  end
end

-- What was left for after the boot has been done, or given up, and has left nothing behind.
local function expect_over(host)
  host:wait_for("test ! -e " .. record .. " && ! systemctl is-active -q hoststate-at-boot.service", 240)
  host:shell [[
    test ! -e /etc/systemd/system/hoststate-at-boot.service &&
      test ! -e /etc/systemd/system/multi-user.target.d/hoststate-at-boot.conf]]
  host:expect_output("grub-editenv - list", { lacks = "next_entry=host" })
  host:expect_output("cat /boot/grub/custom.cfg /boot/grub/grub.cfg 2>&1 || :", { lacks = "hoststate.trial" })
end

-- How many seconds the next boot stays up if it is refused.
local function time_to_look(host, seconds)
  host:shell(("grep -q '\"back_after\": 600' %s && sed -i 's/\"back_after\": 600/\"back_after\": %d/' %s")
    :format(record, seconds, record))
end

-- The last recorded run has this outcome, or one of them, and its reason has this text.
local function expect_history(host, outcomes, text)
  host:hoststate { "history" }
  local runs = host:hoststate({ "history", "--format", "json" }).json.runs
  local last = runs[#runs]
  assert(last.command == "at boot" and (" " .. outcomes .. " "):find(" " .. last.outcome .. " ", 1, true),
    ("expected a run at boot that ended %s, found `%s` that ended %s: %s"):format(outcomes, last.command, last.outcome,
      tostring(last.reason)))
  assert(not text or tostring(last.reason):find(text, 1, true), tostring(last.reason))
end

scenario {
  name = "boot-trial",
  about = "a tried boot that loses the network goes back by itself; one that holds becomes the default",
  bed = "vm",
  machine = { iommu = "intel", devices = { "e1000" } },
  playbook = words "modprobe.blacklist=e1000",
  seconds = 3000,
  steps = function(host)
    host:put("/etc/systemd/network/10-testbed.network",
      "[Match]\nDriver=e1000\n[Network]\nAddress=192.0.2.2/24\nGateway=192.0.2.1\n")
    host:shell "systemctl enable --now systemd-networkd"
    host:wait_for "ip route | grep -q ^default"

    host:say "a parameter that is known to take the network away"
    expect_in(host:converge { status = 4, options = { "--confirm-boot" } }, "network-path")

    host:say "a parameter that takes it away, and only the boot will tell"
    host:playbook(words "systemd.mask=systemd-networkd.service")
    expect_in(host:plan { status = 2, options = { "--confirm-boot" } }, "hoststate.trial=", "goes back by itself")
    local sources = host:read "/etc/default/grub" .. host:read "/boot/grub/grub.cfg"
    host:converge { status = 3, options = { "--confirm-boot" } }
    assert(sources == host:read "/etc/default/grub" .. host:read "/boot/grub/grub.cfg", "the default entry was touched")
    expect_in(host:verify { status = { 2, 3 } }, "A boot is to be tried")
    time_to_look(host, 120)
    host:reboot()
    expect_words(host, { ["systemd.mask="] = true, ["hoststate.trial="] = true })
    expect_over(host)
    host:expect_output("systemctl --failed --plain --no-legend", "")
    expect_history(host, "failed", "no default route; before, it left by")
    assert(sources == host:read "/etc/default/grub" .. host:read "/boot/grub/grub.cfg", "the default entry was touched")
    expect_in(host:verify { status = 2 }, "hoststate-go-back.timer")
    host:wait_for_console "systemctl stop hoststate-go-back.timer"

    host:say "the host goes back by itself"
    host:wait_for_reboot()
    expect_words(host, { ["systemd.mask="] = false, ["hoststate.trial="] = false })
    host:wait_for "ip route | grep -q ^default"
    expect_in(host:verify { status = 2 }, "Boot refused", "systemd.mask=systemd-networkd.service was tried at")

    host:say "nothing tries it again unasked"
    local refused = host:converge { status = 4, options = { "--confirm-boot" } }
    local id = assert(refused.stdout:match "%-%-accept (refused%-boot%-%x+)", refused.stdout)

    host:say "somebody asks for it, looks, and keeps it up"
    host:converge { status = 3, options = { "--confirm-boot", "--accept", id } }
    time_to_look(host, 60)
    host:reboot()
    host:shell "systemctl stop hoststate-go-back.timer; sleep 60"
    expect_words(host, { ["systemd.mask="] = true })
    host:reboot()
    expect_words(host, { ["systemd.mask="] = false })
    host:wait_for "ip route | grep -q ^default"

    host:say "parameters that do no harm, though the card gets another name by them"
    host:playbook(words("intel_iommu=on", "iommu=pt", "net.ifnames=0"))
    local named = host:shell "ls /sys/bus/pci/devices/0000:00:05.0/net"
    host:converge { status = 3, options = { "--confirm-boot" } }
    host:reboot()
    local renamed = host:shell "ls /sys/bus/pci/devices/0000:00:05.0/net"
    assert(named ~= renamed, "the card is called as before: " .. named)
    expect_words(host, { ["intel_iommu=on iommu=pt"] = true, ["hoststate.trial="] = true, ["systemd.mask"] = false })
    expect_over(host)
    host:expect_output("systemctl --failed --plain --no-legend", "")
    expect_history(host, "converged")
    host:verify()
    host:expect_no_changes { status = 0 }

    host:say "the power fails: the parameters are those of the default entry now"
    host:power_cycle()
    expect_words(host, { ["intel_iommu=on iommu=pt"] = true, ["hoststate.trial="] = false, ["panic="] = false })
    host:verify()
    host:expect_no_changes { status = 0 }
  end,
}

scenario {
  name = "boot-panics",
  about = "tried parameters that make the kernel panic, and others that make it hang: the old entry is back",
  bed = "vm",
  playbook = words "rdinit=/nowhere",
  seconds = 3000,
  steps = function(host)
    local function expect_back()
      expect_words(host, { ["rdinit"] = false, ["hoststate.trial="] = false })
      expect_over(host)
      expect_history(host, "failed", "did not come up")
      expect_in(host:verify { status = 2 }, "/etc/default/grub")
    end
    host:converge { status = 3, options = { "--confirm-boot" } }
    host:reboot()
    host:wait_for_console "Kernel panic - not syncing"
    expect_back()

    host:say "an init that does nothing, for ever"
    host:playbook(words("rdinit=/bin/cat", "ignore_loglevel"))
    host:converge { status = 3, options = { "--confirm-boot" } }
    host:shell "(sleep 1; systemctl reboot) >/dev/null 2>&1 &"
    host:wait_for_console "Run /bin/cat as init process"
    host:power_cycle()
    expect_back()
  end,
}

scenario {
  name = "boot-at-boot",
  about = "a function for vfio-pci has to wait for the IOMMU, and gets it after the boot by itself",
  bed = "vm",
  machine = { iommu = "intel", root_ports = { { "igb" } } },
  playbook = [[
    kernel_cmdline { name = "iommu", present = { "intel_iommu=on", "iommu=pt" }, absent = { "intel_iommu=off" } }
    sriov_numvfs { device = "0000:01:00.0", numvfs = 2, autoprobe = false }
    driver_binding { device = "0000:01:10.0", driver = "vfio-pci" }]],
  seconds = 3000,
  steps = function(host)
    host:say "a host whose IOMMU is off"
    host:shell [[sed -i 's/^GRUB_CMDLINE_LINUX_DEFAULT=.*/GRUB_CMDLINE_LINUX_DEFAULT="quiet intel_iommu=off"/' /etc/default/grub && update-grub]]
    host:reboot()
    host:shell "test -z \"$(ls /sys/kernel/iommu_groups)\""
    host:plan { status = { 2, 3 } }

    host:say "by a program with a name that systemd, left to itself, reads otherwise"
    local odd = [[/opt/100% of $HOME's "tools" \n]]
    host:shell(([[mkdir -p '%s' && cp /usr/local/bin/hoststate '%s/host state']]):format(shell_quoted(odd), shell_quoted(odd)))
    host:shell(([['%s/host state' converge /root/playbook.lua --yes --at-boot]]):format(shell_quoted(odd)))
    host:shell "systemctl daemon-reload; cat /etc/systemd/system/hoststate-at-boot.service"
    expect_in(host:verify { status = { 2, 3 } }, "Left for after a boot")
    host:reboot()
    expect_over(host)
    -- Where udev was faster, nothing was left to do.
    expect_history(host, "converged in_desired_state")
    host:expect_driver("0000:01:10.0", "vfio-pci")
    host:verify()
    host:expect_no_changes { status = 0 }
  end,
}

scenario {
  name = "boot-verify",
  about = "`verify` tells apart: not rebooted, another entry, a parameter lost, an ineffective parameter, a device on another driver",
  bed = "vm",
  machine = { iommu = "intel", root_ports = { { "e1000e" } } },
  playbook = words("iommu=pt", "modprobe.blacklist=e1000e") .. [[

    driver_binding { device = "0000:01:00.0", driver = "vfio-pci" }]],
  seconds = 3000,
  steps = function(host)
    host:say "the entry of before, kept by a hand"
    host:shell [[
      awk '/^menuentry / { it = 1 } it { print } it && /^}/ { exit }' /boot/grub/grub.cfg |
        sed "1s/.*/menuentry 'as before' {/" > /boot/grub/custom.cfg
      cat /boot/grub/custom.cfg]]
    host:converge { status = 3 }
    host:expect_no_changes { status = 3 }
    expect_in(host:verify { status = 3 }, "Not rebooted yet")

    host:shell "grub-reboot 'as before'"
    host:reboot()
    expect_words(host, { ["iommu=pt"] = false })
    local other = '"as before"'
    expect_in(host:verify { status = 2 }, other)
    expect_in(host:plan { status = 2 }, "A boot did not help", other)

    host:say "a line of grub.cfg that was edited for one boot only"
    host:shell [[
      rm /boot/grub/custom.cfg
      cp -p /boot/grub/grub.cfg /root/grub.cfg
      sed -i 's/ iommu=pt//' /boot/grub/grub.cfg]]
    host:reboot()
    host:shell "cp -p /root/grub.cfg /boot/grub/grub.cfg"
    expect_words(host, { ["iommu=pt"] = false, ["modprobe.blacklist=e1000e"] = true })
    local lost = host:verify { status = 2 }
    expect_in(lost, "iommu=pt stands in the default entry")
    expect_in(lost, "and not in /proc/cmdline")

    host:say "a unit of somebody who wants the card back"
    host:put("/etc/systemd/system/hand.service", [[
[Unit]
After=systemd-udev-settle.service
Wants=systemd-udev-settle.service
[Service]
Type=oneshot
ExecStart=sh -c 'cd /sys/bus/pci/devices/0000:01:00.0; modprobe e1000e; echo 0000:01:00.0 > driver/unbind; echo e1000e > driver_override; echo 0000:01:00.0 > /sys/bus/pci/drivers/e1000e/bind'
[Install]
WantedBy=multi-user.target
]])
    host:shell "systemctl enable hand.service"
    host:reboot()
    host:expect_driver("0000:01:00.0", "e1000e")
    local found = host:verify { status = 2 }
    expect_in(found, "0000:01:00.0 is bound to e1000e, not to vfio-pci")
    expect_in(found, "the kernel was given modprobe.blacklist=e1000e, and e1000e is loaded anyway")
    host:say(found.stdout)

    host:say "the unit is gone, and the card is taken back"
    host:shell "systemctl disable hand.service"
    host:converge { status = 2 }
    host:expect_driver("0000:01:00.0", "vfio-pci")
    host:expect_no_changes { status = 0 }
  end,
}

scenario {
  name = "no-iommu",
  about = "a board without an IOMMU: the words will have no effect, and have none, and it is said why",
  bed = "vm",
  playbook = words("intel_iommu=on", "iommu=pt"),
  seconds = 3000,
  steps = function(host)
    host:hoststate { "inspect", "devices" }
    expect_in(host:converge { status = 3 }, "the firmware describes no IOMMU")
    host:expect_no_changes { status = 3 }
    host:reboot()
    expect_words(host, { ["intel_iommu=on iommu=pt"] = true })
    local found = host:verify { status = 2 }
    expect_in(found, "the kernel was given intel_iommu=on iommu=pt, and the IOMMU is off")
    expect_in(found, "DMAR")
    expect_in(host:converge { status = 2 }, "the IOMMU is off", "not all with effect")
    host:expect_no_changes { status = 2 }
  end,
}

scenario {
  name = "in-use",
  about = "the network card of the default route, and virtual functions that somebody has, are not taken away",
  bed = "fast-vm",
  machine = { iommu = "intel", root_ports = { { "igb" }, { "e1000e" } } },
  playbook = [[driver_binding { device = "0000:02:00.0", driver = "vfio-pci" }]],
  ci = true,
  steps = function(host)
    local function expect_refusal(...)
      expect_in(host:converge { status = 4 }, ...)
    end
    local function functions(count)
      return ('sriov_numvfs { device = "0000:01:00.0", numvfs = %d }'):format(count)
    end
    host:expect_driver("0000:02:00.0", "e1000e")
    host:say "the default route"
    port_up(host, "0000:02:00.0", "192.0.2.2/24", "192.0.2.1")
    expect_refusal("network-path", "the default route goes over", "/proc/net/route")
    host:expect_driver("0000:02:00.0", "e1000e")

    host:say "a function that is up with an address"
    host:playbook(functions(2))
    host:converge { status = 2 }
    host:expect_driver("0000:01:10.0", "igbvf")
    host:expect_no_changes { status = 0 }
    port_up(host, "0000:01:10.0", "198.51.100.2/24")
    host:playbook(functions(4))
    expect_refusal("vfs-in-use", "0000:01:10.0", "/proc/net/route has an address or route on it")

    host:say "a function whose group a program has open"
    host:playbook [[driver_binding { device = "0000:01:10.2", driver = "vfio-pci" }]]
    host:converge { status = 2 }
    host:expect_driver("0000:01:10.2", "vfio-pci")
    host:expect_no_changes { status = 0 }
    host:shell [[
      group=$(basename "$(readlink /sys/bus/pci/devices/0000:01:10.2/iommu_group)")
      (sleep 100000 <>"/dev/vfio/$group") >/dev/null 2>&1 &
      ip link set "$(ls /sys/bus/pci/devices/0000:01:10.0/net)" down]]
    host:playbook(functions(0))
    expect_refusal("0000:01:10.2 is in use; the write would hang", "-> /dev/vfio/", "To go ahead: end ")
    host:expect_output("cat /sys/bus/pci/devices/0000:01:00.0/sriov_numvfs", "2")
  end,
}

scenario {
  name = "ssh-session",
  about = "over ssh: the card that carries the session is not taken away, and a connection that drops does not cut the run",
  bed = "vm",
  machine = { iommu = "intel", root_ports = { { "e1000e" } } },
  playbook = words "iommu=pt",
  steps = function(host)
    host:say "the card is a port of a bridge, and so is the far end, whose client logs in"
    host:shell [[
      set -e
      udevadm settle
      port=$(ls /sys/bus/pci/devices/0000:01:00.0/net)
      ip link add br0 type bridge
      ip link set "$port" up master br0
      ip link add near type veth peer name far
      ip link set near up master br0
      ip address add 192.0.2.1/24 dev br0
      ip link set br0 up
      ip netns add elsewhere
      ip link set far netns elsewhere
      ip -n elsewhere address add 192.0.2.9/24 dev far
      ip -n elsewhere link set far up
      mkdir -p -m 700 /root/.ssh /etc/dropbear
      dropbearkey -t ed25519 -f /root/.ssh/id | grep ^ssh- > /root/.ssh/authorized_keys
      dropbear -R -E 2>/root/dropbear.log]]
    local ssh = "ip netns exec elsewhere dbclient -y -i /root/.ssh/id root@192.0.2.1 "
    host:wait_for(ssh .. "true || ! cat /root/dropbear.log", 60)
    host:put("/root/card.lua", [[driver_binding { device = "0000:01:00.0", driver = "vfio-pci" }]])
    local refused = host:shell(ssh .. "'/usr/local/bin/hoststate converge /root/card.lua --yes' 2>&1", { status = 4 })
    expect_in(refused, "network-path", "SSH connection from 192.0.2.9 to port 22", "br0")
    host:expect_driver("0000:01:00.0", "e1000e")

    host:say "the connection drops while update-grub runs"
    host:plan()
    host:shell(ssh .. [['/usr/local/bin/hoststate converge /root/playbook.lua --yes' >/dev/null 2>&1 &
      until ps ax | grep -q "grub-[m]kconfig"; do sleep 0.1; done
      kill -KILL $!]])
    host:wait_for("grep -q reboot_required /var/lib/hoststate/runs/*.json", 120)
    local runs = host:hoststate({ "history", "--format", "json" }).json.runs
    assert(runs[#runs].outcome == "reboot_required", runs[#runs].outcome)
    host:verify { status = 3 }
    host:expect_no_changes { status = 3 }
  end,
}
