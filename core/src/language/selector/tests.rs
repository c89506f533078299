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
            hint: A device has no interface while vfio-pci holds it: select it by address, ids or slot."#]],
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
            "7",
        ],
        expect![[r#"
            error: `1:0.0` is not a PCI address, expected `DDDD:BB:DD.F` in hexadecimal such as `0000:01:00.0`
            error: an empty selector; it takes address, class, device, interface, mac, serial, slot, vendor
            error: a selector has no `vendr`
            error: a selector has no `subsystem`; it takes address, class, device, interface, mac, serial, slot, vendor
            error: invalid type: integer `10`, expected a text in quotes, such as "10de"
            error: vendor "nvidia" is not an id of four hexadecimal digits
            error: there is no class "dislpay"
            error: mac "52:54" is not a hardware address such as "52:54:00:12:34:56"
            error: slot is empty
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
}

#[test]
fn the_schema_has_both_forms() {
    let schema = schemars::schema_for!(DeviceSelector);
    let forms = schema.get("anyOf").and_then(Value::as_array).unwrap();
    let kinds: Vec<&Value> = forms.iter().map(|it| &it["type"]).collect();
    assert_eq!(kinds, ["string", "object"]);
}
