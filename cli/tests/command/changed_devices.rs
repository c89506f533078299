//! Cards that were put in, moved, replaced or swapped since something was put in place for them.

use hoststate_testkit::tree::Tree;

use crate::hosts::{answer, host};

const PLAYBOOK: &str = "sriov_numvfs { device = '0000:3b:00.0', numvfs = 2 }";
const BUS: &str = "/sys/devices/pci0000:00";

/// A captured host on which the playbook was put in place.
fn converged(playbook: &str, changes: &[(&str, Option<&str>)]) -> Tree {
    let tree = host("ubuntu-24.04", changes);
    let (text, status) =
        answer(&tree, &["converge", "playbook.lua", "--yes", "--activate", "skip"], playbook);
    assert!(status == Some(0), "{text}");
    tree
}

fn card(tree: &Tree, bridge: &str, address: &str, modalias: &str) {
    let directory = format!("{BUS}/{bridge}/{address}");
    tree.remove(&directory);
    tree.write(format!("{directory}/modalias"), format!("{modalias}\n"));
    tree.remove(format!("/sys/bus/pci/devices/{address}"));
    tree.link(
        format!("/sys/bus/pci/devices/{address}"),
        format!("../../..{}", directory.replace("/sys", "")),
    );
}

fn port(tree: &Tree, bridge: &str, address: &str, mac: Option<&str>) {
    card(tree, bridge, address, "pci:v00008086d00001572sv00008086sd00000008bc02sc00i00");
    tree.write(format!("{BUS}/{bridge}/{address}/sriov_totalvfs"), "64\n");
    tree.write(format!("{BUS}/{bridge}/{address}/sriov_numvfs"), "0\n");
    if let Some(mac) = mac {
        tree.write(format!("{BUS}/{bridge}/{address}/net/ens9/address"), format!("{mac}\n"));
    }
}

fn drive(tree: &Tree, bridge: &str, address: &str) {
    card(tree, bridge, address, "pci:v0000144Dd0000A80Asv0000144Dsd0000A801bc01sc08i02");
}

const MAC: &str = "00:00:5e:00:53:10";

/// Returns the refusals and warnings about changed devices that a command tells.
fn told(tree: &Tree, command: &str, playbook: &str) -> (Vec<String>, Option<i32>, String) {
    let (text, status) = answer(tree, &[command, "playbook.lua"], playbook);
    let lines = text.lines().filter(|it| it.contains(" was ") && it.contains(", is "));
    (lines.map(str::to_owned).collect(), status, text)
}

#[test]
fn another_card_at_the_address_is_refused_and_where_the_card_is_now_is_told() {
    let expected = "0000:3b:00.0 was Intel 8086:1572, is Samsung 144d:a80a; the card moved to 0000:3c:00.0";
    // Told by its bridges, by its MAC behind others, and because there is no other like it.
    for (bridge, mac) in [("0000:00:1d.0", None), ("0000:00:1c.0", Some(MAC)), ("0000:00:1c.0", None)] {
        let tree = converged(PLAYBOOK, &[]);
        tree.remove(format!("{BUS}/0000:00:1d.0/0000:3b:00.0"));
        tree.remove(format!("{BUS}/0000:00:1d.0/0000:3b:00.1"));
        tree.remove("/sys/bus/pci/devices/0000:3b:00.1");
        drive(&tree, "0000:00:1b.0", "0000:3b:00.0");
        port(&tree, bridge, "0000:3c:00.0", mac);
        let (lines, status, text) = told(&tree, "plan", PLAYBOOK);
        assert!(lines.iter().any(|it| it.contains(expected)), "{bridge} {mac:?}: {text}");
        assert!(text.contains("--accept device-changed-"), "{text}");
        // Nothing is planned for what was not meant.
        assert!(!text.contains("+++"), "{text}");
        assert_eq!(status, Some(4), "{text}");
        let (lines, status, text) = told(&tree, "verify", PLAYBOOK);
        assert!(lines.iter().any(|it| it.contains(expected)), "{text}");
        assert_eq!(status, Some(2), "{text}");
        // What is declared by what it is follows the card; a kind that is written down is meant.
        let by_kind = "sriov_numvfs { device = { address = '0000:3b:00.0', vendor = '144d', device = 'a80a' }, numvfs = 2 }";
        assert_eq!(told(&tree, "plan", by_kind).0, Vec::<String>::new());
    }
}

#[test]
fn a_twin_that_takes_the_place_is_refused_and_a_replacement_is_warned_of() {
    let serial = |number: u8| {
        let mut config = vec![0; 0x10c];
        config[0x100] = 3;
        config[0x104] = number;
        config
    };
    let config = |bridge: &str, address: &str| format!("{BUS}/{bridge}/{address}/config");
    let twins = || {
        let tree = host("ubuntu-24.04", &[]);
        tree.write(config("0000:00:1d.0", "0000:3b:00.0"), serial(1));
        port(&tree, "0000:00:1c.0", "0000:0a:00.0", None);
        tree.write(config("0000:00:1c.0", "0000:0a:00.0"), serial(2));
        let put = answer(&tree, &["converge", "playbook.lua", "--yes", "--activate", "skip"], PLAYBOOK);
        assert_eq!(put.1, Some(0), "{}", put.0);
        tree
    };
    // Nothing has changed.
    assert_eq!(told(&twins(), "plan", PLAYBOOK).0, Vec::<String>::new());
    // The two were swapped.
    let tree = twins();
    tree.write(config("0000:00:1d.0", "0000:3b:00.0"), serial(2));
    tree.write(config("0000:00:1c.0", "0000:0a:00.0"), serial(1));
    let (lines, status, text) = told(&tree, "plan", PLAYBOOK);
    let expected = "0000:3b:00.0 was Intel 8086:1572 00-00-00-00-00-00-00-01, is another, 00-00-00-00-00-00-00-02; \
                    the card moved to 0000:0a:00.0";
    assert!(lines.iter().any(|it| it.contains(expected)), "{text}");
    assert_eq!(status, Some(4), "{text}");
    // A new one of the same kind was put in for it.
    let tree = twins();
    tree.write(config("0000:00:1d.0", "0000:3b:00.0"), serial(3));
    let (lines, status, text) = told(&tree, "plan", PLAYBOOK);
    assert!(lines[0].contains("is another, 00-00-00-00-00-00-00-03; the card is not on this host"), "{text}");
    assert!(lines[0].starts_with("warning") && status != Some(4), "{text}");
    let (lines, status, text) = told(&tree, "verify", PLAYBOOK);
    assert!(lines.iter().any(|it| it.contains("0000:3b:00.0 was ") && it.contains("is another, ")), "{text}");
    assert_eq!(status, Some(2), "{text}");
}

#[test]
fn a_card_that_is_gone_from_its_address_is_named_where_it_is() {
    let tree = converged(PLAYBOOK, &[]);
    tree.remove(format!("{BUS}/0000:00:1d.0/0000:3b:00.0"));
    tree.remove("/sys/bus/pci/devices/0000:3b:00.0");
    port(&tree, "0000:00:1d.0", "0000:3d:00.0", None);
    let (text, _) = answer(&tree, &["verify", "playbook.lua"], PLAYBOOK);
    assert!(text.contains("the card moved to 0000:3d:00.0: declare it there"), "{text}");
    // Declared there, the rule for the old address goes.
    let moved = PLAYBOOK.replace("3b:00", "3d:00");
    let (text, _) = answer(&tree, &["plan", "playbook.lua"], &moved);
    assert!(text.contains("0000:3d:00.0: rules for 0000:3b:00.0 -> sriov_numvfs=2"), "{text}");
}

#[test]
fn what_a_run_recorded_tells_where_no_rule_does() {
    let tree = converged(PLAYBOOK, &[]);
    let names = "# names\n8086  Intel Corporation\n\t1572  Ethernet Controller X710 for 10GbE SFP+\n";
    tree.write("/usr/share/misc/pci.ids", names);
    tree.remove("/etc/udev/rules.d/70-hoststate-sriov.rules");
    drive(&tree, "0000:00:1d.0", "0000:3b:00.0");
    let (lines, status, text) = told(&tree, "plan", PLAYBOOK);
    assert!(lines[0].contains("0000:3b:00.0 was Intel 8086:1572, is Samsung 144d:a80a"), "{text}");
    assert!(text.contains("run 2"), "{text}");
    assert!(text.contains("as Intel 8086:1572 Ethernet Controller X710 for 10GbE SFP+, mac"), "{text}");
    assert_eq!(status, Some(4), "{text}");
}

#[test]
fn a_graphics_card_that_is_given_by_ids_is_known_again_by_its_address() {
    let playbook = "gpu_passthrough { device = '0000:01:00.0' }";
    let amd = "pci:v00001002d000073BFsv00001002sd00000E3Abc03sc00i00";
    let tree = converged(playbook, &[]);
    assert_eq!(told(&tree, "plan", playbook).0, Vec::<String>::new());
    let nvidia = tree.read(format!("{BUS}/0000:00:01.0/0000:01:00.0/modalias")).expect("the card");
    // Another card was put in, and the firmware numbers anew.
    card(&tree, "0000:00:01.0", "0000:01:00.0", amd);
    card(&tree, "0000:00:1b.0", "0000:0a:00.0", nvidia.trim());
    let (lines, status, text) = told(&tree, "plan", playbook);
    let expected = "0000:01:00.0 was NVIDIA 10de:0ffc, is AMD/ATI 1002:73bf; the card moved to 0000:0a:00.0";
    assert!(lines.iter().any(|it| it.contains(expected)), "{text}");
    assert!(!text.contains("+options vfio-pci"), "{text}");
    assert_eq!(status, Some(4), "{text}");
    let (lines, status, text) = told(&tree, "verify", playbook);
    assert!(lines.iter().any(|it| it.contains(expected)), "{text}");
    assert_eq!(status, Some(2), "{text}");
    // Ids that somebody wrote down go with the card.
    let by_ids = "vfio_pci_ids { name = '0000:01:00.0', ids = { '10de:0ffc' } }";
    assert_eq!(told(&tree, "plan", by_ids).0, Vec::<String>::new());
}
