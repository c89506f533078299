-- Proof that a host is as lib/converge.lua wants it, read with the host's own tools and plain text comparison,
-- never with hoststate.
local words = { "intel_iommu=on", "iommu=pt" }
local files = {
  ["/etc/modprobe.d/01-hoststate.conf"] = "softdep bochs pre: vfio-pci",
  ["/etc/modprobe.d/zz-hoststate.conf"] = "options vfio-pci ids=10de:0ffc,10de:0e1b",
}
-- dracut of both families; `image` and `boot` are where the host keeps images and boot entries.
local function dracut(image, boot, command)
  return { listing = "lsinitrd", file = [[lsinitrd -f "$2" "$1"]], image = image, boot = boot, command = command }
end

local families = {
  ["initramfs-tools"] = {
    listing = "lsinitramfs",
    -- initramfs-tools has no tool that prints one file: the whole image is unpacked.
    file = [[rm -rf /run/unpacked; unmkinitramfs "$1" /run/unpacked; cd /run/unpacked; [ ! -d main ] || cd main; cat "$2"]],
    image = "/boot/initrd.img-KERNEL",
    boot = "/boot/grub/grub.cfg",
    command = "linux",
  },
  dracut = dracut("/boot/initrd.img-KERNEL", "/boot/grub/grub.cfg", "linux"),
  ["centos-7"] = dracut("/boot/initramfs-KERNEL.img", "/boot/grub2/grub.cfg", "linux"),
  ["centos-6"] = dracut("/boot/initramfs-KERNEL.img", "/boot/grub/grub.conf", "kernel"),
}

local evidence = {}

local function lines(text)
  return text:gmatch "[^\n]+"
end

-- The installed kernels, lowest version first.
function evidence.kernels(host)
  local kernels = {}
  for kernel in lines(host:shell "ls /lib/modules") do
    table.insert(kernels, kernel)
  end
  assert(#kernels >= 2, "these hosts have two kernels")
  return kernels
end

function evidence.image(kernel, family)
  return (families[family].image:gsub("KERNEL", kernel))
end

function evidence.boot(family)
  return families[family].boot
end

-- Every word stands once in a line that loads a kernel.
local function expect_words(boot, line)
  for _, word in ipairs(words) do
    local count = 0
    for found in line:gmatch "%S+" do
      if found == word then
        count = count + 1
      end
    end
    assert(count == 1, ("%s: expected `%s` once in every entry, found it %d times in: %s"):format(boot, word, count, line))
  end
end

function evidence.converged(host, name)
  local family = families[name]
  local entries = host:read(family.boot)
  for line in lines(entries) do
    if line:match("^%s*" .. family.command .. "%s") and not line:match "%ssingle%f[%s\0]" then
      expect_words(family.boot, line)
    end
  end
  for _, kernel in ipairs(evidence.kernels(host)) do
    assert(entries:find("vmlinuz-" .. kernel .. " ", 1, true), family.boot .. " has no entry for " .. kernel)
    local image = evidence.image(kernel, name)
    local listing = host:shell(family.listing .. " " .. image)
    assert(listing:find "/vfio%-pci%.ko", image .. " holds no vfio-pci.ko")
    for path, line in pairs(files) do
      local source = host:read(path)
      assert(("\n" .. source):find("\n" .. line .. "\n", 1, true), path .. " lacks the line: " .. line)
      local name = path:sub(2)
      assert(listing:find(name, 1, true), image .. " holds no " .. name)
      local inside = host:shell(("set -- %s %s\n%s"):format(image, name, family.file))
      assert(inside == source, ("%s: expected %s as on the host:\n%s\nfound:\n%s"):format(image, name, source, inside))
    end
  end
end

return evidence
