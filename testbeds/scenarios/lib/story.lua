-- What every host with lib/converge.lua as its playbook lives through, and what hoststate has to notice and heal.
local evidence = require "lib.evidence"

local story = {}

-- `what` is wrong with the file `path`: the plan names the file, converge mends it.
local function noticed_and_healed(host, family, path, what)
  host:say(what)
  local plan = host:plan { status = 2 }
  local name = path:match "[^/]+$"
  assert(plan.stdout:find(name, 1, true), ("with %s: expected a plan that names %s, found:\n%s"):format(what, name, plan.stdout))
  host:converge()
  evidence.converged(host, family)
  host:plan { status = 0 }
end

function story.converges(host, family)
  host:converge { status = 3 }
  evidence.converged(host, family)
  -- So that the next plan need not unpack the images.
  host:shell "test -s /var/lib/hoststate/images.json"
  host:expect_no_changes { status = 3 }
  host:reboot()
  host:verify()
  host:expect_no_changes { status = 0 }
end

function story.heals(host, family)
  local oldest = evidence.image(evidence.kernels(host)[1], family)

  host:shell("rm " .. oldest)
  noticed_and_healed(host, family, oldest, "a deleted image")

  -- A word that a hand took out of one entry.
  local boot = evidence.boot(family)
  host:shell("sed -i '0,/ iommu=pt/s///' " .. boot)
  noticed_and_healed(host, family, boot, "a boot entry that a hand edited")

  -- An image from before the first run: its time stamp is newer than every source, so only what it contains
  -- gives it away.
  host:put_original(oldest)
  noticed_and_healed(host, family, oldest, "an old image")
end

-- Whatever place a first run is cut at, the next run ends in the desired state. `cut(number)` is the argument of
-- host:cut for the N-th place; returns how many places there were.
function story.cuts_heal(host, family, cut)
  for number = 1, 60 do
    host:fresh()
    local run = host:cut(cut(number))
    if not run.killed then
      assert(run.status == 3, ("an uncut run: expected status 3, found %d\n%s"):format(run.status, run.stderr))
      return number - 1
    end
    host:say(("cut at place %d"):format(number))
    host:converge { status = 3 }
    evidence.converged(host, family)
    host:plan { status = 3 }
  end
  error "60 cuts and no end: cutting does not work"
end

return story
