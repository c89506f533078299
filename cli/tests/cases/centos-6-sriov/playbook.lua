-- This kernel has no sriov_numvfs; igb has max_vfs there.
sriov_numvfs { device = "0000:01:00.0", numvfs = 2 }
