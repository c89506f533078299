//! What devices are called, wherever the program speaks of one: by the list of the distribution, and without one.

use hoststate_testkit::tree::Tree;

use crate::hosts::{answer, host};

const LIST: &str = "8086  Intel Corporation\n\t1572  Ethernet Controller X710 for 10GbE SFP+\n\
                    \t15f3  Ethernet Controller I225-V\n10de  NVIDIA Corporation\n\t0ffc  GK107GL [Quadro K600]\n";
const X710: &str = "Intel Ethernet Controller X710 for 10GbE SFP+";

fn with_list() -> Tree {
    host("ubuntu-24.04", &[("/usr/share/misc/pci.ids", Some(LIST))])
}

/// Returns what a command says.
fn said(tree: &Tree, words: &[&str], playbook: &str) -> String {
    answer(tree, words, playbook).0
}

#[test]
fn every_command_calls_a_device_by_its_name() {
    let tree = with_list();
    let functions = |count: u16| format!("sriov_numvfs {{ device = '0000:3b:00.0', numvfs = {count} }}");
    let inspected = said(&tree, &["inspect", "devices"], "");
    let row = inspected.lines().find(|it| it.contains("0000:3b:00.0")).expect("the device");
    assert!(row.ends_with(X710), "{inspected}");
    let why = said(&tree, &["why", "0000:3b:00.0"], "");
    assert!(
        why.starts_with("0000:3b:00.0 (network 8086:1572 Ethernet Controller X710 for 10GbE SFP+)"),
        "{why}"
    );
    let plan = said(&tree, &["plan", "playbook.lua"], &functions(2));
    assert!(
        plan.contains(&format!("+ sriov_numvfs \"0000:3b:00.0\"  playbook.lua:1\n    {X710}\n")),
        "{plan}"
    );
    let error = said(&tree, &["plan", "playbook.lua"], &functions(999));
    assert!(error.contains(&format!("0000:3b:00.0 ({X710}) offers ")), "{error}");
    let several = "driver_binding { device = { vendor = '8086', class = 'network' }, driver = 'vfio-pci' }";
    let error = said(&tree, &["plan", "playbook.lua"], several);
    assert!(error.contains(&format!("i40e ens1f0 ({X710})")), "{error}");
}

#[test]
fn a_guard_names_the_device_that_it_is_about() {
    let playbook = "driver_binding { device = '0000:03:00.0', driver = 'vfio-pci' }";
    let refused = said(&with_list(), &["plan", "playbook.lua"], playbook);
    assert!(refused.contains("    0000:03:00.0 is Intel Ethernet Controller I225-V\n"), "{refused}");
    // Common vendors are known without a list.
    let refused = said(&host("ubuntu-24.04", &[]), &["plan", "playbook.lua"], playbook);
    assert!(refused.contains("    0000:03:00.0 is Intel 8086:15f3\n"), "{refused}");
}

#[test]
fn programs_get_the_names_as_fields() {
    let tree = with_list();
    let json = |words: &[&str], playbook: &str| -> serde_json::Value {
        serde_json::from_str(&said(&tree, words, playbook)).expect("JSON")
    };
    let inspected = json(&["inspect", "devices", "--format", "json"], "");
    let devices = inspected["devices"].as_array().expect("devices");
    let of = |address: &str| devices.iter().find(|it| it["address"] == address).expect("the device");
    assert_eq!(of("0000:01:00.0")["vendor_name"], "NVIDIA");
    assert_eq!(of("0000:01:00.0")["device_name"], "GK107GL [Quadro K600]");
    assert_eq!(of("0000:01:00.1")["device_name"], serde_json::Value::Null);
    let playbook = "driver_binding { device = '0000:03:00.0', driver = 'vfio-pci' }";
    let plan = json(&["plan", "playbook.lua", "--format", "json"], playbook);
    assert_eq!(plan["devices"][0]["name"], "Intel Ethernet Controller I225-V");
    assert_eq!(plan["guards"][0]["name"], "Intel Ethernet Controller I225-V");
}

#[test]
fn a_name_reaches_the_terminal_without_its_escape_sequences() {
    let tree = host(
        "ubuntu-24.04",
        &[("/usr/share/misc/pci.ids", Some("8086  In\u{1b}[31mtel\n\t1572  X\u{1b}[0m\n"))],
    );
    let playbook = "sriov_numvfs { device = '0000:3b:00.0', numvfs = 2 }";
    for words in [&["inspect", "devices"][..], &["why", "0000:3b:00.0"], &["plan", "playbook.lua"]] {
        let text = said(&tree, words, playbook);
        assert!(!text.contains('\u{1b}') && text.contains(" X"), "{text}");
    }
}
