//! The functions of the machine that is booted: what they are, and how people name their drivers.

/// A PCI function of the machine.
pub(crate) struct Function {
    pub(crate) address: &'static str,
    pub(crate) ids: &'static str,
    /// Modules that claim it, of one kernel or another.
    pub(crate) modules: &'static [&'static str],
    /// Names that people write instead.
    pub(crate) mistaken: &'static [&'static str],
    /// Modules that its module needs.
    pub(crate) parts: &'static [&'static str],
}

/// The functions that hosts give to guests: a card with sound behind a root port, and others on the root bus.
pub(crate) const FUNCTIONS: [Function; 8] = [
    Function {
        address: "0000:01:00.0",
        ids: "1234:1111",
        modules: &["bochs"],
        mistaken: &["bochs-drm", "bochs_drm"],
        parts: &["drm", "drm_kms_helper"],
    },
    Function {
        address: "0000:01:00.1",
        ids: "8086:2668",
        modules: &["snd_hda_intel"],
        mistaken: &["snd_hda_codec_hdmi", "hda_intel"],
        parts: &["snd_hda_codec", "snd_pcm", "snd"],
    },
    Function {
        address: "0000:00:02.0",
        ids: "8086:10d3",
        modules: &["e1000e"],
        mistaken: &["e1000"],
        parts: &["ptp"],
    },
    Function {
        address: "0000:00:03.0",
        ids: "1b36:000d",
        modules: &["xhci_pci"],
        mistaken: &["xhci_hcd", "xhci"],
        parts: &["xhci_hcd", "usbcore"],
    },
    Function {
        address: "0000:00:04.0",
        ids: "1b36:0010",
        modules: &["nvme"],
        mistaken: &["nvme-pci"],
        parts: &["nvme_core"],
    },
    Function {
        address: "0000:00:05.0",
        ids: "1013:00b8",
        modules: &["cirrus", "cirrus_qemu"],
        mistaken: &["cirrusfb"],
        parts: &["drm", "drm_kms_helper"],
    },
    Function {
        address: "0000:00:06.0",
        ids: "8086:10d3",
        modules: &["e1000e"],
        mistaken: &["e1000"],
        parts: &["ptp"],
    },
    Function {
        address: "0000:00:07.0",
        ids: "10ec:8139",
        modules: &["8139cp", "8139too"],
        mistaken: &["r8139", "r8169"],
        parts: &["mii"],
    },
];

/// The card with virtual functions, and these.
pub(crate) const PHYSICAL: Function = Function {
    address: "0000:03:00.0",
    ids: "8086:10c9",
    modules: &["igb"],
    mistaken: &["igbvf"],
    parts: &["dca", "i2c_algo_bit"],
};
pub(crate) const VIRTUAL: Function = Function {
    address: "0000:03:10.0",
    ids: "8086:10ca",
    modules: &["igbvf"],
    mistaken: &["igb"],
    parts: &[],
};

/// Ids of what belongs to the board: a root port, a bridge to conventional PCI, the host bridge, the SATA controller.
pub(crate) const BOARD: [&str; 4] = ["1b36:000c", "1b36:000e", "8086:29c0", "8086:2922"];
