//! Groups that small machines will have.

use hoststate_testkit::tree::Tree;

use super::{Foretold, Pinned, foretold, pinned};
use crate::machine::pci_bus::{self, DEVICES};

/// A machine without an IOMMU, of functions `(address, ids and class, configuration space)`.
fn machine(functions: &[(&str, &str, Vec<u8>)]) -> Tree {
    let tree = Tree::new(&[
        ("/proc/cpuinfo", "vendor_id\t: GenuineIntel\n"),
        ("/proc/sys/kernel/osrelease", "6.8.0-45-generic\n"),
        ("/proc/cmdline", "quiet\n"),
    ]);
    for (address, ids, config) in functions {
        let [vendor, device, class] = ids.split(' ').collect::<Vec<_>>()[..] else { panic!("{ids}") };
        let modalias = format!(
            "pci:v0000{vendor}d0000{device}sv00001AF4sd00001100bc{}sc{}i00\n",
            &class[..2],
            &class[2..]
        );
        tree.write(format!("{DEVICES}/{address}/modalias"), modalias);
        tree.write(format!("{DEVICES}/{address}/config"), config);
    }
    tree
}

/// A configuration space: kind on PCI Express (or none), header type, bus behind it, Access Control Services.
fn config(express: Option<u8>, header: u8, behind: u8, access_control: bool) -> Vec<u8> {
    let mut config = vec![0; if express.is_some() { 4096 } else { 256 }];
    (config[0x0e], config[0x19]) = (header, behind);
    if let Some(kind) = express {
        (config[0x06], config[0x34]) = (0x10, 0x40);
        (config[0x40], config[0x42]) = (0x10, kind << 4 | 2);
        if access_control {
            config[0x100..0x104].copy_from_slice(&0x0001_000d_u32.to_le_bytes());
        }
    }
    config
}

fn root_port(behind: u8, access_control: bool) -> Vec<u8> {
    config(Some(4), 1, behind, access_control)
}

fn endpoint(is_multifunction: bool) -> Vec<u8> {
    config(Some(0), if is_multifunction { 0x80 } else { 0 }, 0, false)
}

const PORT: &str = "1B36 000C 0604";
const CARD: &str = "10DE 0FFC 0300";
const DISK: &str = "144D A80A 0108";

/// The groups as text: members by their bus, device and function, groups by their first.
fn groups(tree: &Tree) -> String {
    let view = tree.view();
    let groups = foretold(&view).unwrap();
    if let Foretold::Unknown(why) = &*groups {
        return why.clone();
    }
    let mut lines: Vec<String> = Vec::new();
    for address in pci_bus::ids(&view).unwrap().into_iter().map(|it| it.0) {
        let line = match groups.members(address) {
            Some(members) => {
                members.iter().map(|it| it.to_string()[5..].to_owned()).collect::<Vec<_>>().join(" ")
            }
            None => groups.why_not(address).unwrap_or("nothing").to_owned(),
        };
        if !lines.contains(&line) {
            lines.push(line);
        }
    }
    lines.join("; ")
}

#[test]
fn functions_of_a_card_are_together_and_apart_from_a_port_that_keeps_apart() {
    let tree = machine(&[
        ("0000:00:01.0", PORT, root_port(1, true)),
        ("0000:01:00.0", CARD, endpoint(true)),
        ("0000:01:00.1", "10DE 0E1B 0403", endpoint(false)),
        ("0000:00:02.0", DISK, endpoint(false)),
    ]);
    assert_eq!(groups(&tree), "00:01.0; 00:02.0; 01:00.0 01:00.1");
}

#[test]
fn behind_a_port_that_does_not_keep_apart_all_is_one_group() {
    let tree = machine(&[
        ("0000:00:01.0", PORT, root_port(1, false)),
        ("0000:00:02.0", PORT, root_port(2, true)),
        ("0000:01:00.0", CARD, endpoint(false)),
        ("0000:02:00.0", DISK, endpoint(false)),
    ]);
    assert_eq!(groups(&tree), "00:01.0 01:00.0; 00:02.0; 02:00.0");
}

#[test]
fn a_switch_above_that_does_not_keep_apart_joins_what_is_behind_all_its_ports() {
    let switch = |root: bool, ports: bool| {
        machine(&[
            ("0000:00:01.0", PORT, root_port(1, root)),
            ("0000:01:00.0", PORT, config(Some(5), 1, 2, false)),
            ("0000:02:00.0", PORT, config(Some(6), 1, 3, ports)),
            ("0000:02:01.0", PORT, config(Some(6), 1, 4, ports)),
            ("0000:03:00.0", CARD, endpoint(false)),
            ("0000:04:00.0", DISK, endpoint(false)),
        ])
    };
    assert_eq!(groups(&switch(true, true)), "00:01.0; 01:00.0; 02:00.0; 02:01.0; 03:00.0; 04:00.0");
    assert_eq!(groups(&switch(true, false)), "00:01.0; 01:00.0; 02:00.0 03:00.0; 02:01.0 04:00.0");
    assert_eq!(groups(&switch(false, true)), "00:01.0 01:00.0 02:00.0 02:01.0 03:00.0 04:00.0");
}

#[test]
fn behind_a_bridge_to_conventional_pci_all_is_one_group() {
    let tree = machine(&[
        ("0000:00:1e.0", PORT, config(None, 1, 5, false)),
        ("0000:05:01.0", CARD, config(None, 0, 0, false)),
        ("0000:05:02.0", DISK, config(None, 0, 0, false)),
    ]);
    assert_eq!(groups(&tree), "00:1e.0 05:01.0 05:02.0");
}

#[test]
fn functions_of_a_slot_on_the_root_bus_are_together_unless_a_table_knows_them() {
    let tree = machine(&[
        ("0000:00:1f.0", "8086 A143 0601", config(None, 0x80, 0, false)),
        ("0000:00:1f.2", DISK, config(None, 0, 0, false)),
        ("0000:00:1c.0", "8086 8C10 0604", config(Some(4), 0x81, 6, false)),
        ("0000:06:00.0", "8086 1521 0200", endpoint(true)),
        ("0000:06:00.1", "8086 1521 0200", endpoint(true)),
    ]);
    // The chipset does not show its registers, so its port is not apart.
    assert_eq!(groups(&tree), "00:1c.0 06:00.0 06:00.1; 00:1f.0 00:1f.2");
    let mut chipset = config(None, 0x80, 0, false);
    chipset[0xf0] = 1;
    tree.write(format!("{DEVICES}/0000:00:1f.0/config"), &chipset);
    assert_eq!(groups(&tree), "00:1c.0; 00:1f.0 00:1f.2; 06:00.0; 06:00.1");
}

#[test]
fn an_older_kernel_may_not_know_what_the_tables_know() {
    let tree = machine(&[("0000:00:06.0", "8086 1521 0200", endpoint(true))]);
    tree.write("/proc/sys/kernel/osrelease", "3.10.0-1160.el7.x86_64\n");
    assert_eq!(
        groups(&tree),
        "0000:00:06.0 (8086:1521) keeps its requests apart by the kernel's tables only, and those of this kernel are not \
         known"
    );
}

#[test]
fn a_device_that_uses_the_id_of_another_function_is_with_it() {
    let tree = machine(&[
        ("0000:00:05.0", "1B4B 9130 0106", endpoint(false)),
        ("0000:00:05.1", DISK, endpoint(false)),
    ]);
    assert_eq!(groups(&tree), "00:05.0 00:05.1");
}

#[test]
fn what_cannot_be_told_is_said() {
    let card = [("0000:00:01.0", CARD, config(Some(0), 0, 0, false)[..64].to_vec())];
    let path = format!("{DEVICES}/0000:00:01.0/config");
    assert_eq!(groups(&machine(&card)), format!("{path} ends behind its header: only root sees the rest"));
    let tree = machine(&[("0000:00:01.0", CARD, endpoint(false))]);
    tree.write("/proc/sys/kernel/osrelease", "2.6.32-754.el6.x86_64\n");
    assert_eq!(
        groups(&tree),
        "Linux 2.6.32-754.el6.x86_64 forms no groups; Linux 3.6 is the first that does"
    );
    tree.write("/proc/cpuinfo", "CPU implementer\t: 0x41\n");
    assert_eq!(
        groups(&tree),
        "the firmware has no IORT table, which tells what an SMMU of Arm translates for"
    );
    tree.write("/proc/cpuinfo", "cpu\t: POWER9\n");
    assert!(groups(&tree).starts_with("on POWER the firmware forms the groups"));
}

#[test]
fn what_the_firmware_pins_is_found_behind_bridges_too() {
    let tree = machine(&[
        ("0000:00:01.0", PORT, root_port(1, true)),
        ("0000:01:00.0", DISK, endpoint(false)),
        ("0000:00:1a.0", "8086 8C2D 0C03", endpoint(false)),
    ]);
    let mut dmar = vec![0; 48];
    let mut region = vec![1, 0, 42, 0];
    region.resize(24, 0);
    region.extend([1, 8, 0, 0, 0, 0, 0x1a, 0, 1, 10, 0, 0, 0, 0, 1, 0, 0, 0]);
    dmar.extend(region);
    tree.write("/sys/firmware/acpi/tables/DMAR", &dmar);
    let found: Vec<String> =
        pinned(&tree.view()).unwrap().iter().map(|it: &Pinned| it.address.to_string()).collect();
    assert_eq!(found, ["0000:01:00.0"], "a USB controller is let go");
}
