-- Debian with GRUB and either generator of initramfs images, two kernels, the real tools.
local story = require "lib.story"

-- What hoststate calls, and what that calls in the middle of its work.
local tools = {
  ["initramfs-tools"] = {
    "/usr/sbin/update-initramfs",
    "/usr/sbin/mkinitramfs",
    "/usr/sbin/update-grub",
    "/usr/sbin/grub-mkconfig",
    "/usr/bin/grub-script-check",
  },
  dracut = { "/usr/bin/dracut", "/usr/sbin/update-grub", "/usr/sbin/grub-mkconfig" },
}

for _, family in ipairs { "initramfs-tools", "dracut" } do
  scenario {
    name = "debian-" .. family,
    about = "converge, reboot, nothing left to do; deleted, old and hand-edited files are noticed and healed",
    bed = "container",
    machine = { image = "debian-" .. family },
    playbook = "lib/converge.lua",
    ci = true,
    steps = function(host)
      host:expect_diff("debian-" .. family .. ".diff")
      story.converges(host, family)
      story.heals(host, family)
    end,
  }

  scenario {
    name = "debian-" .. family .. "-cut-in-tools",
    about = "killed at the start of every call of a tool, the next run ends in the desired state",
    bed = "container",
    machine = { image = "debian-" .. family },
    playbook = "lib/converge.lua",
    ci = true,
    steps = function(host)
      local cuts = story.cuts_heal(host, family, function(number)
        return { call = number, tools = tools[family] }
      end)
      assert(cuts >= 2, "there were only " .. cuts .. " calls of tools to cut at")
    end,
  }
end

scenario {
  name = "debian-cut-before-renames",
  about = "killed before every file it replaces, the next run ends in the desired state",
  bed = "container",
  machine = { image = "debian-initramfs-tools" },
  playbook = "lib/converge.lua",
  ci = true,
  steps = function(host)
    local cuts = story.cuts_heal(host, "initramfs-tools", function(number)
      return { rename = number }
    end)
    -- Two files of modprobe.d and the one with the command line, at least.
    assert(cuts >= 3, "there were only " .. cuts .. " renames to cut before")
  end,
}

scenario {
  name = "debian-plan-read-only",
  about = "planning touches no file, and shows the same changes where nothing can be written, with what refuses them",
  bed = "container",
  machine = { image = "debian-initramfs-tools" },
  playbook = "lib/converge.lua",
  ci = true,
  steps = function(host)
    local writable, read_only
    host:expect_untouched(function()
      writable = host:plan { status = 2 }
      host:read_only(true)
      read_only = host:plan { status = 4 }
      host:read_only(false)
    end)
    assert(read_only.stdout:find("disk-not-ready", 1, true), read_only.stdout)
    -- What stands above the hazards: the settings, and the diff of each file.
    local changes = writable.stdout:match("^(.-)\nThen ")
    assert(changes:find("\n@@ ", 1, true), writable.stdout)
    assert(read_only.stdout:find(changes, 1, true), "the plan on a read-only root differs:\n" .. read_only.stdout)
  end,
}
