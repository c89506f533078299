-- The collection and the example playbook of examples/ansible, over real ssh, against many hosts at once.
local hosts = 20

-- `key=value` of a host's line in Ansible's recap.
local function recap(output)
  local result = {}
  for host, line in output:match("PLAY RECAP.-\n(.*)"):gmatch "(%S+)%s+: ([^\n]+)" do
    result[host] = {}
    for key, value in line:gmatch "(%w+)=(%d+)" do
      result[host][key] = tonumber(value)
    end
  end
  return result
end

-- Every host ended with these numbers.
local function expect_recap(output, count, wanted)
  local found = recap(output)
  for number = 1, count do
    local host = "h" .. number
    assert(found[host], "no line of " .. host .. " in the recap:\n" .. output:sub(-2000))
    for key, value in pairs(wanted) do
      assert(
        found[host][key] == value,
        ("%s: expected %s=%d, found %s\n%s"):format(host, key, value, tostring(found[host][key]), output:sub(-2000))
      )
    end
  end
end

local resources = [[
hoststate_resources:
  - {type: kernel_cmdline, name: iommu, present: ["intel_iommu=on", "iommu=pt"]}
  - {type: modprobe_softdep, module: snd_hda_intel, pre: [vfio-pci]}
  - {type: vfio_pci_ids, ids: ["10de:0ffc", "10de:0e1b"]}
  - {type: initramfs_modules, modules: [vfio_pci]}
]]

-- Installs the collection as the README says, where it looks for it by itself; nothing is fetched.
local function install(control)
  control:shell "ansible-galaxy collection install --offline $EXAMPLES/../ansible"
end

scenario {
  name = "ansible-fleet",
  about = hosts .. " hosts: check mode with diffs, for real, and again with nothing changed",
  bed = "fleet",
  machine = { hosts = hosts },
  ci = true,
  steps = function(control)
    install(control)
    control:put("group_vars/passthrough.yml", resources)

    local looked = control:shell "ansible-playbook $EXAMPLES/ansible/playbook.yml --check --diff"
    expect_recap(looked, hosts, { changed = 1, failed = 0, unreachable = 0 })
    for _, line in ipairs { "+options vfio-pci ids=10de:0ffc,10de:0e1b", "intel_iommu=on iommu=pt" } do
      assert(looked:find(line, 1, true), "check mode shows no diff with: " .. line)
    end
    control:expect_output("for n in $(seq " .. hosts .. "); do $SSH h$n cat /proc/cmdline /etc/default/grub; done", {
      lacks = "intel_iommu",
    })

    local done = control:shell("ansible-playbook $EXAMPLES/ansible/playbook.yml --diff", { seconds = 1500 })
    expect_recap(done, hosts, { changed = 1, failed = 0, unreachable = 0 })
    -- Read on each host with its own tools.
    for number = 1, hosts do
      control:expect_output(("$SSH h%d 'grep -c intel_iommu=on.iommu=pt /boot/grub/grub.cfg'"):format(number), "2")
      control:expect_output(("$SSH h%d 'lsinitramfs /boot/initrd.img-*'"):format(number), { contains = "/vfio-pci.ko" })
    end

    local again = control:shell "ansible-playbook $EXAMPLES/ansible/playbook.yml --diff"
    expect_recap(again, hosts, { changed = 0, failed = 0, unreachable = 0 })

    -- What a task costs beside one of Ansible's own that runs the same program.
    control:say(control:shell [[
      for task in 'command /usr/local/bin/hoststate --version' 'hoststate.linux.verify last=true ignore_reboot=true'; do
        set -- $task; module=$1; shift
        began=$(date +%s%N)
        ansible passthrough -m "$module" -a "$*" >/dev/null
        echo "$module: $(( ($(date +%s%N) - began) / 1000000 )) ms"
      done]])
  end,
}

scenario {
  name = "fleet-role",
  about = "equal plans are shown once, too many different ones stop the run, and so does a guard before any host is changed",
  bed = "fleet",
  machine = { hosts = 4 },
  ci = true,
  steps = function(control)
    -- These hosts never reboot.
    local fleet = "ansible-playbook hoststate.linux.fleet -e fleet_reboot=false -e fleet_confirm_boot=false"
    local function untouched()
      control:expect_output("for n in 1 2 3 4; do $SSH h$n cat /etc/default/grub; done", { lacks = "intel_iommu" })
      control:shell "! $SSH h3 test -e /etc/modules-load.d/hoststate.conf"
    end
    -- It ends with another status than 0, and says this.
    local function expect_stop(options, words)
      control:expect_output(("if %s %s 2>&1; then echo it ran; fi"):format(fleet, options), { contains = words, lacks = "it ran" })
    end
    install(control)
    control:put("group_vars/passthrough.yml", "fleet_" .. resources:sub(#"hoststate_" + 1))

    control:say "one host is meant to be another than the rest"
    control:put("host_vars/h3.yml", "fleet_resources: [{type: modules_load, modules: [vfio_pci]}]\n")
    expect_stop("", "2 different plans, 1 expected")
    untouched()

    control:say "on one host a guard refuses"
    control:put("host_vars/h3.yml", "fleet_resources: [{type: kernel_cmdline, present: [init=/bin/false]}]\n")
    expect_stop("-e fleet_groups=2", "refused: ")
    untouched()

    control:say "all of them, in waves"
    control:put("host_vars/h3.yml", "{}\n")
    local done = control:shell(fleet, { seconds = 1500 })
    expect_recap(done, 4, { changed = 1, failed = 0, unreachable = 0 })
    assert(done:find("h1 h2 h3 h4:", 1, true), "equal plans are not shown as one")
    local again = control:shell(fleet)
    expect_recap(again, 4, { changed = 0, failed = 0, unreachable = 0 })
  end,
}

scenario {
  name = "broken-fleet",
  about = "a playbook that hoststate refuses turns the fleet red, with hoststate's own words",
  bed = "fleet",
  machine = { hosts = 2 },
  ci = true,
  fails_with = { "ansible-playbook", "failed=1", "10de:0ffz" },
  steps = function(control)
    install(control)
    control:put("group_vars/passthrough.yml", (resources:gsub("10de:0ffc", "10de:0ffz")))
    control:shell "ansible-playbook $EXAMPLES/ansible/playbook.yml --check --diff"
  end,
}
