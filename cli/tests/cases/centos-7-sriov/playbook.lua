sriov_numvfs { device = "0000:02:00.0", numvfs = 8 }
