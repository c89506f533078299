//! Selectors as playbooks write them, on a host with two equal cards.

use expect_test::{Expect, expect};
use hoststate_testkit::pci::SysfsDevice;
use hoststate_testkit::tree::Tree;
use serde_json::Value;

use super::{DeviceSelector, Found};

fn host() -> Tree {
    let tree = Tree::new(&[]);
    SysfsDevice::new("0000:01:00.0", 0x10de, 0x0ffc, 0x03_0000).driver("nouveau").write(&tree);
    SysfsDevice::new("0000:01:00.1", 0x10de, 0x0e1b, 0x04_0300).write(&tree);
    SysfsDevice::new("0000:02:00.0", 0x144d, 0xa808, 0x01_0802).driver("nvme").write(&tree);
    SysfsDevice::igb("0000:3b:00.0").interface("ens1f0", "52:54:00:12:34:01").write(&tree);
    SysfsDevice::igb("0000:3b:00.1").interface("ens1f1", "52:54:00:12:34:02").write(&tree);
    tree.write("/sys/bus/pci/slots/1/address", "0000:01:00\n");
    tree.write("/sys/bus/pci/devices/0000:02:00.0/nvme/nvme0/serial", "S4EV-NF0M \n");
    tree
}

fn answer(json: &str, tree: &Tree) -> String {
    let value: Value = serde_json::from_str(json).unwrap();
    let selector: DeviceSelector = match serde_json::from_value(value) {
        Ok(selector) => selector,
        Err(err) => return format!("error: {err}"),
    };
    match selector.resolve(&tree.view()) {
        Ok(Found::Device(device)) => format!("{selector}: {}", device.address),
        Ok(Found::Absent(address)) => format!("{selector}: nothing at {address}"),
        Err(err) => format!("error: {err}\nhint: {}", err.hint().unwrap_or_default()),
    }
}

fn check(inputs: &[&str], expect: Expect) {
    let tree = host();
    let answers: Vec<String> = inputs.iter().map(|it| answer(it, &tree)).collect();
    expect.assert_eq(&answers.join("\n"));
}

#[test]
fn a_selector_finds_the_one_device_that_has_everything() {
    check(
        &[
            r#""0000:01:00.0""#,
            r#""01:00.1""#,
            r#""0000:3b:10.0""#,
            r#"{"vendor": "10de", "device": "0x0FFC"}"#,
            r#"{"class": "display"}"#,
            r#"{"class": "storage"}"#,
            r#"{"class": "0108"}"#,
            r#"{"interface": "ens1f1"}"#,
            r#"{"mac": "52-54-00-12-34-01"}"#,
            r#"{"serial": "s4evnf0m"}"#,
            r#"{"slot": "1", "class": "audio"}"#,
        ],
        expect![[r#"
            0000:01:00.0: 0000:01:00.0
            0000:01:00.1: 0000:01:00.1
            0000:3b:10.0: nothing at 0000:3b:10.0
            vendor 10de, device 0ffc: 0000:01:00.0
            class display: 0000:01:00.0
            class storage: 0000:02:00.0
            class 0108: 0000:02:00.0
            interface ens1f1: 0000:3b:00.1
            mac 52:54:00:12:34:01: 0000:3b:00.0
            serial s4evnf0m: 0000:02:00.0
            class audio, slot 1: 0000:01:00.1"#]],
    );
}

#[test]
fn a_virtual_function_is_no_candidate_unless_something_names_it() {
    let tree = host();
    for address in ["0000:3b:10.0", "0000:3b:10.2"] {
        SysfsDevice::new(address, 0x8086, 0x10ca, 0x02_0000)
            .interface(&format!("v{}", &address[11..]), "52:54:00:12:34:01")
            .write(&tree);
        tree.link(format!("/sys/devices/pci0000:00/{address}/physfn"), "../0000:3b:00.0");
    }
    // A drive whose virtual functions have its ids.
    SysfsDevice::new("0000:3b:02.0", 0x144d, 0xa808, 0x01_0802).write(&tree);
    tree.link("/sys/devices/pci0000:00/0000:3b:02.0/physfn", "../0000:02:00.0");
    for (selector, expected) in [
        (r#"{"class": "network", "function": 0}"#, "0000:3b:00.0"),
        (r#"{"mac": "52:54:00:12:34:01"}"#, "0000:3b:00.0"),
        (r#"{"vendor": "144d", "device": "a808"}"#, "0000:02:00.0"),
        (r#"{"class": "nvme"}"#, "0000:02:00.0"),
        (r#"{"interface": "v2"}"#, "0000:3b:10.2"),
        (r#"{"address": "3b:10.2", "class": "network"}"#, "0000:3b:10.2"),
        (r#"{"vendor": "8086", "device": "10ca", "function": 2}"#, "0000:3b:10.2"),
        (r#"{"path": "0000:3b:10.2"}"#, "0000:3b:10.2"),
    ] {
        let found = answer(selector, &tree);
        assert!(found.ends_with(&format!(": {expected}")), "{selector}: {found}");
    }
    // Its number alone names no virtual function, and of two that are named none is meant.
    assert!(answer(r#"{"class": "network", "function": 2}"#, &tree).starts_with("error: no PCI device has"));
    assert!(
        answer(r#"{"vendor": "8086", "device": "10ca"}"#, &tree).starts_with("error: 2 PCI devices have")
    );
}

#[test]
fn a_port_of_a_bond_is_found_by_the_address_that_it_was_made_with() {
    let tree = host();
    let port = |it: u8| format!("/sys/devices/pci0000:00/0000:3b:00.{it}/net/ens1f{it}");
    for it in [0, 1] {
        tree.write(format!("{}/address", port(it)), "52:54:00:12:34:01\n");
        tree.write(format!("{}/addr_assign_type", port(it)), "3\n");
        tree.write(
            format!("{}/bonding_slave/perm_hwaddr", port(it)),
            format!("52:54:00:12:34:0{}\n", it + 1),
        );
    }
    let found = |mac: &str| answer(&format!(r#"{{"mac": "{mac}"}}"#), &tree);
    assert_eq!(found("52:54:00:12:34:01"), "mac 52:54:00:12:34:01: 0000:3b:00.0");
    assert_eq!(found("52:54:00:12:34:02"), "mac 52:54:00:12:34:02: 0000:3b:00.1");
}

#[test]
fn a_path_over_bridges_stays_when_buses_are_numbered_anew() {
    for address in ["0000:05:00.0", "0000:06:00.0"] {
        let tree = host();
        SysfsDevice::new(address, 0x8086, 0x10d3, 0x02_0000).behind("0000:00:1c.0").write(&tree);
        SysfsDevice::new("0000:07:00.0", 0x8086, 0x10d3, 0x02_0000).behind("0000:00:1d.0").write(&tree);
        assert_eq!(
            answer(r#"{"path": "00:1c.0/00.0", "vendor": "8086"}"#, &tree),
            format!("vendor 8086, path 0000:00:1c.0/00.0: {address}")
        );
    }
}

#[test]
fn none_or_several_are_errors_that_list_candidates() {
    check(
        &[
            r#"{"vendor": "8086", "device": "10c9"}"#,
            r#"{"vendor": "10de", "device": "1b80"}"#,
            r#"{"vendor": "1002"}"#,
            r#"{"class": "network", "interface": "eth0"}"#,
        ],
        expect![[r#"
            error: 2 PCI devices have vendor 8086, device 10c9:
              0000:3b:00.0 8086:10c9 network igb ens1f0
              0000:3b:00.1 8086:10c9 network igb ens1f1
            hint: Add a field that tells them apart, or give the address.
            error: no PCI device has vendor 10de, device 1b80; nearest:
              0000:01:00.0 10de:0ffc display nouveau
              0000:01:00.1 10de:0e1b audio
            hint: `hoststate inspect devices` lists the devices of this host.
            error: no PCI device has vendor 1002
            hint: `hoststate inspect devices` lists the devices of this host.
            error: no PCI device has class network, interface eth0; nearest:
              0000:3b:00.0 8086:10c9 network igb ens1f0
              0000:3b:00.1 8086:10c9 network igb ens1f1
            hint: A device has no interface while vfio-pci or another driver for guests holds it: select it by address, ids or slot."#]],
    );
}

#[test]
fn a_selector_that_cannot_be_is_an_error_that_names_the_key() {
    check(
        &[
            r#""1:0.0""#,
            r#"{}"#,
            r#"{"vendr": "10de"}"#,
            r#"{"subsystem": "10de"}"#,
            r#"{"vendor": 10}"#,
            r#"{"vendor": "nvidia"}"#,
            r#"{"class": "dislpay"}"#,
            r#"{"mac": "52:54"}"#,
            r#"{"slot": ""}"#,
            r#"{"path": "1c.0"}"#,
            r#"{"function": 8}"#,
            r#"{"function": -1}"#,
            r#"{"function": "0"}"#,
            "7",
        ],
        expect![[r#"
            error: `1:0.0` is not a PCI address, expected `DDDD:BB:DD.F` in hexadecimal such as `0000:01:00.0`
            error: an empty selector; it takes address, class, device, function, interface, mac, path, serial, slot, vendor
            error: a selector has no `vendr`
            error: a selector has no `subsystem`; it takes address, class, device, function, interface, mac, path, serial, slot, vendor
            error: invalid type: integer `10`, expected a text in quotes, such as "10de"
            error: vendor "nvidia" is not an id of four hexadecimal digits
            error: there is no class "dislpay"
            error: mac "52:54" is not a hardware address such as "52:54:00:12:34:56"
            error: slot is empty
            error: "1c.0" is not a path over bridges such as "0000:00:1c.0/00.0"
            error: function 8 is not a number from 0 to 7
            error: function -1 is not a number from 0 to 7
            error: invalid type: string "0", expected a number from 0 to 7
            error: invalid type: integer `7`, expected a PCI address such as "0000:01:00.0" or a table such as { vendor = "10de" }"#]],
    );
}

#[test]
fn a_tree_without_sysfs_has_nothing_to_select_from() {
    let image = Tree::new(&[]);
    expect![[r#"
        error: no PCI device can be selected by class display: this tree has no /sys
        hint: Give the address of the device, such as "0000:01:00.0"."#]]
    .assert_eq(&answer(r#"{"class": "display"}"#, &image));
    expect!["0000:01:00.0: nothing at 0000:01:00.0"].assert_eq(&answer(r#""0000:01:00.0""#, &image));
    let joined = answer(r#"{"address": "01:00.0", "vendor": "10de"}"#, &image);
    assert_eq!(joined, "address 0000:01:00.0, vendor 10de: nothing at 0000:01:00.0");
}

#[test]
fn the_schema_has_both_forms() {
    let schema = schemars::schema_for!(DeviceSelector);
    let forms = schema.get("anyOf").and_then(Value::as_array).unwrap();
    let kinds: Vec<&Value> = forms.iter().map(|it| &it["type"]).collect();
    assert_eq!(kinds, ["string", "object"]);
}
