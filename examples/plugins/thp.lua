-- A hoststate type: transparent huge pages, now and after every boot.
--
--     linux.thp { mode = "madvise" }
--
-- Trusted in a folder of plugins, or beside a playbook that says `require "thp"`.

local ATTRIBUTE = "/sys/kernel/mm/transparent_hugepage/enabled"
local FILE = "/etc/tmpfiles.d/hoststate-thp.conf"

local function setting(scope, subject, actual, desired, step)
  local state = { state = "converged" }
  if actual ~= desired then
    state = { state = "drifted", actual = actual, desired = desired, remedy = { steps = { step } } }
  end
  return { scope = scope, subject = subject, state = state }
end

resource_type {
  name = "linux.thp",
  version = "1.0.0",
  description = "Transparent huge pages, now and after every boot.",
  fields = {
    mode = { description = "Who gets them.", enum = { "always", "madvise", "never" } },
  },
  required = { "mode" },
  examples = {
    {
      desired = { mode = "madvise" },
      files = { [ATTRIBUTE] = "[always] madvise never\n" },
    },
    {
      desired = { mode = "never" },
      files = { [ATTRIBUTE] = "always [madvise] never\n", [FILE] = "w " .. ATTRIBUTE .. " - - - - madvise\n" },
    },
  },

  inspect = function(desired, host)
    local modes = host:attribute(ATTRIBUTE)
    if not modes then
      error("this kernel has no transparent huge pages: there is no " .. ATTRIBUTE)
    end
    -- The kernel shows all modes with the one that is on in brackets, and takes the bare word. Read as it is on a
    -- tree where the attribute is a plain file that holds what was written.
    local current = modes:match("%[(%a+)%]") or modes
    local line = ("w %s - - - - %s\n"):format(ATTRIBUTE, desired.mode)
    return {
      settings = {
        setting("persistent", FILE, host:read(FILE), line, { kind = "write_file", path = FILE, text = line }),
        setting("runtime", ATTRIBUTE, current, desired.mode, {
          kind = "write_attribute",
          path = ATTRIBUTE,
          value = desired.mode,
        }),
      },
    }
  end,
}
