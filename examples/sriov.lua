-- Four virtual functions of one network port, the first of them for a guest.
--
--   hoststate plan examples/sriov.lua --capture examples/hosts/ubuntu-24.04.host

-- `autoprobe = false` leaves new functions without a driver. Otherwise the
-- host's own driver takes all of them and makes a network interface of each.
-- The count may only go from 0 to 4 or back to 0: the kernel knows no other way.
sriov_numvfs {
  device = "0000:3b:00.0",
  numvfs = 4,
  autoprobe = false,
}

-- The first function does not exist yet, so the plan defers this line: its
-- address is the port's plus `sriov_offset` (16), which makes it 3b:02.0.
-- `converge` comes back to it as soon as the function is there.
driver_binding {
  name = "first virtual function",
  device = "0000:3b:02.0",
  driver = "vfio-pci",
}
