-- The layouts of CentOS 6 and 7 around the tools of the Debian root that they are made of: GRUB's own scripts under
-- the names of the Red Hat family, legacy grub.conf, dracut. grubby and that family's patches are not here.
local story = require "lib.story"

for _, release in ipairs { "6", "7" } do
  scenario {
    name = "centos-" .. release .. "-like",
    about = "converge, reboot, nothing left to do; deleted, old and hand-edited files are noticed and healed",
    bed = "container",
    machine = { image = "centos-" .. release .. "-like" },
    playbook = "lib/converge.lua",
    ci = true,
    steps = function(host)
      host:expect_diff("centos-" .. release .. "-like.diff")
      story.converges(host, "centos-" .. release)
      story.heals(host, "centos-" .. release)
    end,
  }
end
