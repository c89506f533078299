//! The device models that a machine may have, and the QEMU arguments of each.

use serde::{Deserialize, Deserializer, de::Error};

/// What a device model needs beside itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Backend {
    Nothing,
    Network,
    /// A small empty disk.
    Disk,
    /// A small empty disk, and a subsystem that allows virtual functions.
    NvmeSubsystem,
}

/// Every device model a machine may have: QEMU's names, and `nvme-sriov` for an NVMe with virtual functions.
const MODELS: [(&str, Backend); 32] = [
    ("AC97", Backend::Nothing),
    ("ES1370", Backend::Nothing),
    ("VGA", Backend::Nothing),
    ("ati-vga", Backend::Nothing),
    ("bochs-display", Backend::Nothing),
    ("cirrus-vga", Backend::Nothing),
    ("e1000", Backend::Network),
    ("e1000e", Backend::Network),
    ("i82551", Backend::Network),
    ("i82557b", Backend::Network),
    ("i82559er", Backend::Network),
    ("ich9-intel-hda", Backend::Nothing),
    ("igb", Backend::Network),
    ("intel-hda", Backend::Nothing),
    ("ne2k_isa", Backend::Network),
    ("ne2k_pci", Backend::Network),
    ("nvme", Backend::Disk),
    ("nvme-sriov", Backend::NvmeSubsystem),
    ("pcnet", Backend::Network),
    ("qemu-xhci", Backend::Nothing),
    ("rtl8139", Backend::Network),
    ("secondary-vga", Backend::Nothing),
    ("tulip", Backend::Network),
    ("virtio-balloon-pci", Backend::Nothing),
    ("virtio-blk-pci", Backend::Disk),
    ("virtio-gpu-pci", Backend::Nothing),
    ("virtio-net-pci", Backend::Network),
    ("virtio-rng-pci", Backend::Nothing),
    ("virtio-scsi-pci", Backend::Nothing),
    ("virtio-serial-pci", Backend::Nothing),
    ("virtio-vga", Backend::Nothing),
    ("vmxnet3", Backend::Network),
];

/// A device model of the table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Model {
    name: &'static str,
    backend: Backend,
}

impl<'de> Deserialize<'de> for Model {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let name = String::deserialize(deserializer)?;
        match MODELS.iter().find(|(known, _)| *known == name) {
            Some((name, backend)) => Ok(Self { name, backend: *backend }),
            None => Err(D::Error::custom(format!(
                "there is no device model {name:?}; there are: {}",
                MODELS.map(|(known, _)| known).join(", ")
            ))),
        }
    }
}

impl Model {
    /// Whether it sits on the ISA bus, which has no addresses.
    pub(super) fn is_isa(self) -> bool {
        self.name.ends_with("_isa")
    }

    /// QEMU's name of it.
    pub(super) fn name(self) -> &'static str {
        self.name
    }
}

/// A command line that grows.
#[derive(Default)]
pub(super) struct Line {
    pub(super) words: Vec<String>,
    /// Number of the next backend.
    next: u8,
}

impl Line {
    /// Adds an option with its value.
    pub(super) fn add(&mut self, option: &str, value: &str) {
        self.words.extend([option.to_owned(), value.to_owned()]);
    }

    /// Adds a device and its backend; `place` is bus, slot and function.
    pub(super) fn device(&mut self, model: Model, place: Option<(&str, u8, u8)>, multifunction: bool) {
        let number = self.next;
        self.next += 1;
        let mut words = vec![model.name.to_owned()];
        match model.backend {
            Backend::Nothing => {}
            Backend::Network => {
                self.add("-netdev", &format!("user,id=net{number},restrict=on"));
                words.push(format!("netdev=net{number},mac=52:54:00:12:34:{number:02x}"));
                if !model.is_isa() {
                    words.push("romfile=".into());
                }
            }
            Backend::Disk => {
                self.empty_disk(number);
                words.push(format!("drive=disk{number}"));
                if model.name == "nvme" {
                    words.push(format!("serial=NVME{number}"));
                }
            }
            Backend::NvmeSubsystem => {
                self.empty_disk(number);
                self.add("-device", &format!("nvme-subsys,id=subsystem{number}"));
                words = vec![format!(
                    "nvme,id=nvme{number},serial=NVME{number},subsys=subsystem{number},sriov_max_vfs=4,\
                     sriov_vq_flexible=8,sriov_vi_flexible=4,max_ioqpairs=12,msix_qsize=9"
                )];
            }
        }
        if let Some((bus, slot, function)) = place {
            words.push(format!("bus={bus},addr={slot:#x}.{function}"));
        }
        if multifunction {
            words.push("multifunction=on".into());
        }
        self.add("-device", &words.join(","));
        if model.backend == Backend::NvmeSubsystem {
            self.add("-device", &format!("nvme-ns,drive=disk{number},bus=nvme{number}"));
        }
    }

    fn empty_disk(&mut self, number: u8) {
        self.add(
            "-drive",
            &format!("file.driver=null-co,file.size=67108864,file.read-zeroes=on,if=none,id=disk{number}"),
        );
    }
}
