//! A machine described in data, and the QEMU arguments that make it.

use serde::Deserialize;

use super::{
    device::{Line, Model},
    toolbox::Toolbox,
};
use crate::error::{Result, check};

/// Where the console GPU, the channel and the root disk sit on the root bus.
const CONSOLE_SLOT: u8 = 0x02;
const CHANNEL_SLOT: u8 = 0x03;
const DISK_SLOT: u8 = 0x04;
/// Slots of the root bus for `devices`, in order; between them are the root ports.
const DEVICE_SLOTS: [u8; 18] = [
    0x05, 0x06, 0x07, 0x08, 0x09, 0x0a, 0x0b, 0x0c, 0x0d, 0x0e, 0x0f, 0x18, 0x19, 0x1a, 0x1b, 0x1c, 0x1d,
    0x1e,
];
/// Processors that can do everything the accelerator can, of the vendor whose IOMMU the board has.
///
/// The model is an Atom that does not speculate (arch/x86/kernel/cpu/common.c, `cpu_vuln_whitelist`). For others of
/// Intel's the kernel changes page tables at every system call, at which an emulator forgets all addresses that it
/// knows: the same boot takes several times as long.
pub(super) const INTEL: &str = "max,vendor=GenuineIntel,family=6,model=54";
const AMD: &str = "max,vendor=AuthenticAMD";
/// Slots of the root ports: the first one leads to bus 01, the next to 02, and so on.
const ROOT_PORT_SLOTS: std::ops::Range<u8> = 0x10..0x18;

/// A machine. Every field may be left out: then it is a small q35 with BIOS, a SATA disk and nothing more.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Hardware {
    /// Name of the image of a full bed; see `cargo testbed list`.
    pub(crate) image: String,
    /// More words for the kernel of a fast bed.
    pub(crate) cmdline: String,
    pub(crate) chipset: Chipset,
    pub(crate) firmware: Firmware,
    /// MiB.
    pub(crate) memory: u32,
    pub(crate) processors: u8,
    pub(crate) iommu: Option<Iommu>,
    /// What the root disk of a full bed hangs on.
    pub(crate) disk: Controller,
    /// The way commands take; `serial` for a guest that cannot use virtio.
    pub(crate) channel: ChannelKind,
    /// The GPU that the firmware shows its messages on, at 00:02.0.
    pub(crate) console: Option<Model>,
    /// Devices on the root bus (or the ISA bus, for those of it).
    pub(crate) devices: Vec<Model>,
    /// Root ports; each holds one device of up to eight functions. The first port is bus 01.
    pub(crate) root_ports: Vec<Vec<Model>>,
}

impl Default for Hardware {
    fn default() -> Self {
        Self {
            image: "vm-debian".into(),
            cmdline: String::new(),
            chipset: Chipset::Q35,
            firmware: Firmware::Bios,
            memory: 1024,
            processors: 1,
            iommu: None,
            disk: Controller::Sata,
            channel: ChannelKind::Virtio,
            console: None,
            devices: Vec::new(),
            root_ports: Vec::new(),
        }
    }
}

/// The board: `q35` has PCI Express, `pc` is the older one with PCI and ISA.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Chipset {
    Q35,
    Pc,
}

/// What starts the boot loader.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Firmware {
    /// SeaBIOS.
    Bios,
    /// OVMF.
    Efi,
}

/// The IOMMU of the board.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Iommu {
    Intel,
    Amd,
}

/// What a disk hangs on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Controller {
    Sata,
    VirtioBlk,
    VirtioScsi,
    Nvme,
}

/// The way commands take.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum ChannelKind {
    /// A port of a virtio-serial device at 00:03.0.
    Virtio,
    /// The second serial port: no device of its own, but slow.
    Serial,
}

impl Hardware {
    /// The arguments for the board and its devices; the root disk and the channel are not among them.
    ///
    /// # Errors
    ///
    /// A machine that cannot be built so.
    pub(crate) fn arguments(&self) -> Result<Vec<String>> {
        self.check()?;
        let mut line = Line::default();
        let board = if self.chipset == Chipset::Q35 { "q35" } else { "pc" };
        line.add("-machine", board);
        line.add("-cpu", if self.iommu == Some(Iommu::Amd) { AMD } else { INTEL });
        line.add("-smp", &self.processors.to_string());
        line.add("-m", &self.memory.to_string());
        line.add("-vga", "none");
        match self.iommu {
            Some(Iommu::Intel) => line.add("-device", "intel-iommu,intremap=on,caching-mode=on"),
            Some(Iommu::Amd) => line.add("-device", "amd-iommu,intremap=on"),
            None => {}
        }
        if let Some(console) = self.console {
            line.device(console, Some((self.root_bus(), CONSOLE_SLOT, 0)), false);
        }
        let mut slots = DEVICE_SLOTS.iter();
        for model in &self.devices {
            let place =
                if model.is_isa() { None } else { slots.next().map(|slot| (self.root_bus(), *slot, 0)) };
            line.device(*model, place, false);
        }
        for (index, (functions, slot)) in self.root_ports.iter().zip(ROOT_PORT_SLOTS).enumerate() {
            let number = index + 1;
            line.add(
                "-device",
                &format!(
                    "pcie-root-port,id=port{number},chassis={number},slot={number},bus=pcie.0,addr={slot:#x}"
                ),
            );
            let bus = format!("port{number}");
            for (function, model) in (0..).zip(functions) {
                line.device(*model, Some((&bus, 0, function)), function == 0 && functions.len() > 1);
            }
        }
        Ok(line.words)
    }

    /// The arguments for the way commands take; its character device is `channel`.
    pub(crate) fn channel_arguments(&self) -> Vec<String> {
        let mut line = Line::default();
        match self.channel {
            ChannelKind::Virtio => {
                line.add(
                    "-device",
                    &format!("virtio-serial-pci,id=channel,bus={},addr={CHANNEL_SLOT:#x}", self.root_bus()),
                );
                line.add("-device", "virtserialport,bus=channel.0,chardev=channel,name=testbed");
            }
            ChannelKind::Serial => line.add("-serial", "chardev:channel"),
        }
        line.words
    }

    /// The arguments for the firmware; `variables` is where an EFI machine keeps its own.
    pub(crate) fn firmware_arguments(&self, variables: &str) -> Vec<String> {
        let mut line = Line::default();
        if self.firmware == Firmware::Efi {
            let code = Toolbox::FIRMWARE_CODE;
            line.add("-drive", &format!("if=pflash,format=raw,readonly=on,file={code}"));
            line.add("-drive", &format!("if=pflash,format=raw,file={variables}"));
        }
        line.words
    }

    /// The arguments for the root disk, on the controller this machine has.
    ///
    /// Nothing is synchronised with the machine's own disk: only QEMU's end, never that of the machine, is survived.
    pub(crate) fn disk_arguments(&self, file: &str, format: &str) -> Vec<String> {
        let mut line = Line::default();
        line.add(
            "-drive",
            &format!("file={file},format={format},if=none,id=root,cache=unsafe,discard=unmap"),
        );
        let bus = self.root_bus();
        match self.disk {
            Controller::Sata if self.chipset == Chipset::Q35 => {
                line.add("-device", "ide-hd,bus=ide.0,drive=root,bootindex=1");
            }
            Controller::Sata => {
                line.add("-device", &format!("ahci,id=sata,bus={bus},addr={DISK_SLOT:#x}"));
                line.add("-device", "ide-hd,bus=sata.0,drive=root,bootindex=1");
            }
            Controller::VirtioBlk => {
                line.add(
                    "-device",
                    &format!("virtio-blk-pci,bus={bus},addr={DISK_SLOT:#x},drive=root,bootindex=1"),
                );
            }
            Controller::VirtioScsi => {
                line.add("-device", &format!("virtio-scsi-pci,id=scsi,bus={bus},addr={DISK_SLOT:#x}"));
                line.add("-device", "scsi-hd,bus=scsi.0,drive=root,bootindex=1");
            }
            Controller::Nvme => {
                line.add(
                    "-device",
                    &format!("nvme,bus={bus},addr={DISK_SLOT:#x},drive=root,serial=ROOT,bootindex=1"),
                );
            }
        }
        line.words
    }

    fn root_bus(&self) -> &'static str {
        if self.chipset == Chipset::Q35 { "pcie.0" } else { "pci.0" }
    }

    fn check(&self) -> Result<()> {
        let pci = self.devices.iter().filter(|it| !it.is_isa()).count();
        check(
            pci <= DEVICE_SLOTS.len(),
            "`devices` of the machine",
            format!("at most {} on the root bus", DEVICE_SLOTS.len()),
            pci.to_string(),
        )?;
        check(
            self.root_ports.len() <= ROOT_PORT_SLOTS.len(),
            "`root_ports` of the machine",
            format!("at most {}", ROOT_PORT_SLOTS.len()),
            self.root_ports.len().to_string(),
        )?;
        for functions in &self.root_ports {
            check(
                functions.len() <= 8 && functions.iter().all(|it| !it.is_isa()),
                "a root port of the machine",
                "a PCI device of at most 8 functions",
                functions.iter().map(|it| it.name()).collect::<Vec<_>>().join(", "),
            )?;
        }
        let express = self.iommu.is_some() || !self.root_ports.is_empty();
        check(
            self.chipset == Chipset::Q35 || !express,
            "`chipset` of the machine",
            "`q35`, as an IOMMU and root ports need it",
            "`pc`",
        )?;
        check(
            self.chipset == Chipset::Pc || !self.devices.iter().any(|it| it.is_isa()),
            "`chipset` of the machine",
            "`pc`, as a device on the ISA bus needs it",
            "`q35`",
        )
    }
}

#[cfg(test)]
mod tests {
    use expect_test::{Expect, expect};

    use super::*;

    fn check(description: serde_json::Value, expected: Expect) {
        let answer = match serde_json::from_value::<Hardware>(description) {
            Ok(hardware) => match hardware.arguments() {
                Ok(words) => {
                    let pairs: Vec<String> = words.chunks(2).map(|pair| pair.join(" ")).collect();
                    pairs.join("\n")
                }
                Err(err) => format!("error: {err}"),
            },
            Err(err) => format!("error: {err}"),
        };
        expected.assert_eq(&answer);
    }

    #[test]
    fn a_description_becomes_arguments_with_every_device_at_a_known_address() {
        check(
            serde_json::json!({
                "iommu": "intel", "console": "cirrus-vga", "devices": ["e1000", "virtio-rng-pci"],
                "root_ports": [["bochs-display", "intel-hda"], ["igb"], ["nvme-sriov"]],
            }),
            expect![[r#"
                -machine q35
                -cpu max,vendor=GenuineIntel,family=6,model=54
                -smp 1
                -m 1024
                -vga none
                -device intel-iommu,intremap=on,caching-mode=on
                -device cirrus-vga,bus=pcie.0,addr=0x2.0
                -netdev user,id=net1,restrict=on
                -device e1000,netdev=net1,mac=52:54:00:12:34:01,romfile=,bus=pcie.0,addr=0x5.0
                -device virtio-rng-pci,bus=pcie.0,addr=0x6.0
                -device pcie-root-port,id=port1,chassis=1,slot=1,bus=pcie.0,addr=0x10
                -device bochs-display,bus=port1,addr=0x0.0,multifunction=on
                -device intel-hda,bus=port1,addr=0x0.1
                -device pcie-root-port,id=port2,chassis=2,slot=2,bus=pcie.0,addr=0x11
                -netdev user,id=net5,restrict=on
                -device igb,netdev=net5,mac=52:54:00:12:34:05,romfile=,bus=port2,addr=0x0.0
                -device pcie-root-port,id=port3,chassis=3,slot=3,bus=pcie.0,addr=0x12
                -drive file.driver=null-co,file.size=67108864,file.read-zeroes=on,if=none,id=disk6
                -device nvme-subsys,id=subsystem6
                -device nvme,id=nvme6,serial=NVME6,subsys=subsystem6,sriov_max_vfs=4,sriov_vq_flexible=8,sriov_vi_flexible=4,max_ioqpairs=12,msix_qsize=9,bus=port3,addr=0x0.0
                -device nvme-ns,drive=disk6,bus=nvme6"#]],
        );
    }

    #[test]
    fn a_machine_that_cannot_be_is_refused_with_the_reason() {
        check(
            serde_json::json!({"devices": ["e1001"]}),
            expect![[
                r#"error: there is no device model "e1001"; there are: AC97, ES1370, VGA, ati-vga, bochs-display, cirrus-vga, e1000, e1000e, i82551, i82557b, i82559er, ich9-intel-hda, igb, intel-hda, ne2k_isa, ne2k_pci, nvme, nvme-sriov, pcnet, qemu-xhci, rtl8139, secondary-vga, tulip, virtio-balloon-pci, virtio-blk-pci, virtio-gpu-pci, virtio-net-pci, virtio-rng-pci, virtio-scsi-pci, virtio-serial-pci, virtio-vga, vmxnet3"#
            ]],
        );
        check(
            serde_json::json!({"devices": ["ne2k_isa"]}),
            expect![[r#"
            error: `chipset` of the machine
              expected: `pc`, as a device on the ISA bus needs it
              found:    `q35`"#]],
        );
        check(
            serde_json::json!({"chipset": "pc", "iommu": "amd"}),
            expect![[r#"
            error: `chipset` of the machine
              expected: `q35`, as an IOMMU and root ports need it
              found:    `pc`"#]],
        );
        check(
            serde_json::json!({"memroy": 1}),
            expect![
                "error: unknown field `memroy`, expected one of `image`, `cmdline`, `chipset`, `firmware`, `memory`, `processors`, `iommu`, `disk`, `channel`, `console`, `devices`, `root_ports`"
            ],
        );
        check(
            serde_json::json!({"root_ports": [["ne2k_isa"]]}),
            expect![[r#"
            error: a root port of the machine
              expected: a PCI device of at most 8 functions
              found:    ne2k_isa"#]],
        );
    }
}
