-- A disk that was installed in a SATA machine moves to others.

scenario {
  name = "disk-moves",
  about = "`initramfs_modules` lets a disk of a SATA machine boot from virtio-blk, virtio-scsi and NVMe",
  bed = "vm",
  playbook = [[initramfs_modules { modules = { "virtio_pci", "virtio_blk", "virtio_scsi", "nvme" } }]],
  seconds = 3000,
  steps = function(host)
    host:expect_output("lsblk -no TRAN /dev/sda | head -n 1", "sata")
    host:converge { status = { 2, 3 } }
    host:expect_no_changes()
    host:move_to { disk = "virtio-blk" }
    host:expect_output("findmnt -no SOURCE /", "/dev/vda3")
    host:verify()
    host:move_to { disk = "virtio-scsi" }
    host:expect_output("lsblk -no TRAN /dev/sda | head -n 1", { lacks = "sata" })
    host:move_to { disk = "nvme", iommu = "intel" }
    host:expect_output("findmnt -no SOURCE /", "/dev/nvme0n1p3")
    host:expect_no_changes { status = 0 }

    host:say "the controller of the root file system is not given away"
    host:playbook 'driver_binding { device = { class = "storage", vendor = "1b36" }, driver = "vfio-pci" }'
    local refused = host:converge { status = 4 }
    host:say(refused.stdout)
  end,
}
