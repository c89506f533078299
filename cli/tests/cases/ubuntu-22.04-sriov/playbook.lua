sriov_numvfs { device = "0000:41:00.1", numvfs = 7, autoprobe = false }
