-- Everything by which a run of hoststate could show on a disk, read with the host's own tools: files, boot configuration,
-- what is inside the images, and what the kernel has of devices.
local traces = {}

local places = "/etc/modprobe.d /etc/modules-load.d /etc/initramfs-tools /etc/dracut.conf.d /etc/udev/rules.d /etc/default /etc/systemd/system"

-- Comparable text: one line for each file, by its digest.
function traces.of(host)
  local files = host:shell(("find %s -type f 2>/dev/null | sort | xargs -r sha256sum"):format(places))
  local links = host:shell(("find %s -type l -printf '%%p -> %%l\\n' 2>/dev/null | sort"):format(places))
  local menu = host:shell "sha256sum /boot/grub/grub.cfg"
  -- An image has times of its own: its files count.
  local images = host:shell([[
    for image in /boot/initrd.img-*; do
      rm -rf /root/unpacked; mkdir /root/unpacked
      unmkinitramfs "$image" /root/unpacked
      cd /root/unpacked && find . -type f \( -path '*modprobe.d*' -o -path '*udev/rules.d*' -o -path '*conf/*' \) | sort | xargs -r sha256sum
      cd /; rm -rf /root/unpacked
    done]], { seconds = 600 })
  return files .. links .. menu .. images
end

-- Fails with the lines that differ.
function traces.expect(host, before)
  local known, now = {}, traces.of(host)
  for line in before:gmatch "[^\n]+" do
    known[line] = true
  end
  local differing = {}
  for line in now:gmatch "[^\n]+" do
    if not known[line] then
      table.insert(differing, "now:    " .. line)
    end
    known[line] = nil
  end
  for line in pairs(known) do
    table.insert(differing, "before: " .. line)
  end
  assert(#differing == 0, "a trace is left:\n" .. table.concat(differing, "\n"))
  host:shell "! grep -rqs hoststate /etc/udev /etc/modprobe.d /etc/modules-load.d /etc/default /etc/initramfs-tools"
end

return traces
