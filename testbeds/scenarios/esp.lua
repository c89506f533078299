-- FAT: GRUB's environment block on a real EFI system partition, as RHEL 8 has it.
scenario {
  name = "esp",
  about = "`kernelopts` in an environment block on a real EFI system partition, also when the power fails",
  bed = "vm",
  machine = { firmware = "efi" },
  playbook = [[kernel_cmdline { present = { "intel_iommu=on", "iommu=pt" } }]],
  steps = function(host)
    local tree, block = "/srv/host", "/boot/efi/EFI/centos/grubenv"
    local function block_has(text)
      host:expect_output("grub-editenv " .. block .. " list", { contains = text })
      -- What GRUB reads is 1024 bytes, whatever happened to it.
      host:expect_output("stat -c %s " .. block, "1024")
      host:expect_output("ls " .. block:match "(.*)/", "grubenv")
    end
    host:expect_output("findmnt -no FSTYPE /boot/efi", "vfat")
    host:say "the files of a host of the EL family whose block lies there"
    host:shell [[
      set -e
      tree=/srv/host block=/boot/efi/EFI/centos/grubenv
      mkdir -p $tree/etc $tree/boot/loader/entries $tree/boot/grub2 $tree/boot/efi "${block%/*}"
      printf 'ID="centos"\nVERSION_ID="8"\nID_LIKE="rhel fedora"\n' > $tree/etc/os-release
      printf 'load_env\ninsmod blscfg\nblscfg\n' > $tree/boot/grub2/grub.cfg
      printf 'title CentOS\nversion 4.18.0-1\nlinux /vmlinuz-4.18.0-1\noptions $kernelopts\n' \
        > $tree/boot/loader/entries/m-4.18.0-1.conf
      grub-editenv $block create
      grub-editenv $block set 'kernelopts=root=/dev/sda1 ro quiet'
      ln -s ../efi/EFI/centos/grubenv $tree/boot/grub2/grubenv
      mount --bind /boot/efi $tree/boot/efi]]
    block_has "kernelopts=root=/dev/sda1 ro quiet"
    local here = { "--root", tree, "--activate", "skip" }
    host:converge { status = { 0, 2, 3, 5 }, options = here }
    block_has "kernelopts=root=/dev/sda1 ro quiet intel_iommu=on iommu=pt"
    host:power_cycle()
    block_has "kernelopts=root=/dev/sda1 ro quiet intel_iommu=on iommu=pt"
    host:shell(("mount --bind /boot/efi %s/boot/efi"):format(tree))
    host:expect_no_changes { options = here }
    host:say "and back"
    local runs = host:hoststate({ "history", "--root", tree, "--format", "json" }).json.runs
    host:hoststate({ "rollback", runs[#runs].run, "--root", tree, "--activate", "skip", "--yes" }, { status = { 0, 2, 3 } })
    block_has "kernelopts=root=/dev/sda1 ro quiet"
    host:expect_output("grub-editenv " .. block .. " list", { lacks = "iommu" })
  end,
}
