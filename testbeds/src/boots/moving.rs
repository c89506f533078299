//! What moves functions otherwise: virtual ones that come, rules, systemd-tmpfiles, driverctl and units.

use super::{
    machine::{Function, PHYSICAL, VIRTUAL},
    random::{Maker, Rules},
};

pub(super) const BINDINGS: &str = "/etc/udev/rules.d/70-hoststate-driver.rules";
const NUMBERS: &str = "/etc/udev/rules.d/70-hoststate-sriov.rules";
const UNIT: &str = "/etc/systemd/system/virtual-functions.service";

impl Maker {
    /// Virtual functions that are made at every boot, and who shall have them.
    pub(super) fn virtual_functions(&mut self, rules: &Rules, is_plain: bool) {
        let address = PHYSICAL.address;
        let kind = if is_plain { 0 } else { self.dice.below(8) };
        match kind {
            0 | 1 => self.file(NUMBERS, &rules.virtual_functions),
            2 => self.rule(&format!(
                "ACTION==\"add\", SUBSYSTEM==\"pci\", KERNEL==\"{address}\", ATTR{{sriov_numvfs}}=\"2\""
            )),
            3 => self.rule(
                "ACTION==\"add\", SUBSYSTEM==\"net\", ENV{ID_NET_DRIVER}==\"igb\", ATTR{device/sriov_numvfs}=\"2\"",
            ),
            4 => {
                self.rule(&format!(
                    "ACTION==\"add\", SUBSYSTEM==\"net\", KERNELS==\"{address}\", \
                     ATTR{{device/sriov_drivers_autoprobe}}=\"0\", ATTR{{device/sriov_numvfs}}=\"2\""
                ));
            }
            5 => self.line("options igb max_vfs=2".into()),
            6 => self.file(
                "/etc/tmpfiles.d/vfs.conf",
                &format!("w /sys/bus/pci/devices/{address}/sriov_numvfs - - - - 2\n"),
            ),
            _ => {
                self.file(
                    UNIT,
                    &format!(
                        "[Unit]\nDefaultDependencies=no\nAfter=systemd-udev-settle.service systemd-udev-trigger.service\n\
                         [Service]\nType=oneshot\nExecStart=/bin/sh -c 'udevadm settle; echo 2 > \
                         /sys/bus/pci/devices/{address}/sriov_numvfs'\n[Install]\nWantedBy=sysinit.target\n"
                    ),
                );
                self.links.insert(
                    "/etc/systemd/system/sysinit.target.wants/virtual-functions.service".into(),
                    UNIT.into(),
                );
            }
        }
        let of_guests = if is_plain { self.dice.below(3) } else { self.dice.below(6) };
        match of_guests {
            0 | 1 => {
                self.line(format!("options vfio-pci ids={}", VIRTUAL.ids));
                self.line(format!("softdep {} pre: vfio-pci", VIRTUAL.modules[0]));
            }
            2 => self.line(format!("blacklist {}", VIRTUAL.modules[0])),
            3 => self.line(format!("options vfio-pci ids={}", VIRTUAL.ids)),
            4 => {
                // Those of any function are the same but for the address.
                if let Some((address, rules)) = rules.bindings.first_key_value() {
                    self.file(BINDINGS, &rules.replace(address, VIRTUAL.address));
                }
            }
            _ => {}
        }
    }

    /// Something moves a function by its address, or by its ids.
    pub(super) fn moved(&mut self, function: &Function) {
        let address = function.address;
        let (vendor, device) = function.ids.split_once(':').unwrap_or_default();
        let by_ids = format!("ATTR{{vendor}}==\"0x{vendor}\", ATTR{{device}}==\"0x{device}\"");
        let by_address = format!("KERNEL==\"{address}\"");
        let which = [by_ids, by_address][self.dice.below(2)].clone();
        let of = format!("ACTION==\"add\", SUBSYSTEM==\"pci\", {which}");
        match self.dice.below(9) {
            0 => self.rule(&format!("{of}, ATTR{{driver_override}}=\"vfio-pci\"")),
            1 => self.rule(&format!(
                "{of}, ATTR{{driver_override}}=\"vfio-pci\", RUN{{builtin}}+=\"kmod load vfio-pci\""
            )),
            2 => self.rule(&format!("{of}, ATTR{{driver_override}}=\"none\"")),
            3 => self.rule(&format!("{of}, ATTR{{remove}}=\"1\"")),
            4 => self.file(
                "/etc/tmpfiles.d/passthrough.conf",
                &format!("w /sys/bus/pci/devices/{address}/remove - - - - 1\n"),
            ),
            5 | 6 => self.file(&format!("/etc/driverctl.d/pci-{address}"), "vfio-pci\n"),
            7 => self.file(&format!("/etc/driverctl.d/pci-{address}"), "none\n"),
            _ => self.rule(&format!(
                "{of}, ATTR{{driver_override}}=\"vfio-pci\", RUN+=\"/sbin/modprobe vfio-pci\""
            )),
        }
    }

    /// A rule, before or behind those that say what an interface is.
    fn rule(&mut self, text: &str) {
        let file = self.dice.pick(&["/etc/udev/rules.d/10-local.rules", "/etc/udev/rules.d/99-local.rules"]);
        self.file(file, &format!("{text}\n"));
    }

    fn file(&mut self, path: &str, text: &str) {
        self.root.entry(path.into()).or_default().push_str(text);
    }
}
