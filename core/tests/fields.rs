//! Fields that are written wrong, and what is said about them: the value, and how to write it right.

use expect_test::{Expect, expect};
use hoststate_core::language::declaration::Declaration;
use hoststate_core::language::registry::Registry;
use hoststate_core::resources::TABLE;
use serde_json::Value;

/// Checks declarations, each as it would be written in `file`.
fn check(file: &str, declarations: &[&str], expect: Expect) {
    let mut out = String::new();
    for text in declarations {
        let mut value: Value = serde_json::from_str(text).expect("JSON");
        value["playbook"] = serde_json::json!({ "file": file, "line": 1 });
        let declaration: Declaration = serde_json::from_value(value).expect("a declaration");
        match Registry::new(TABLE).decode(declaration) {
            Ok(declared) => out.push_str(&format!("valid: {}\n", declared.id)),
            Err(rejected) => {
                for it in &rejected {
                    out.push_str(&format!("{it}\n"));
                    it.source.hint().into_iter().for_each(|hint| out.push_str(&format!("  {hint}\n")));
                }
            }
        }
    }
    expect.assert_eq(&out);
}

#[test]
fn a_text_where_a_list_is_meant_is_answered_with_the_list() {
    check(
        "gpu.lua",
        &[
            r#"{"type":"vfio_pci_ids","ids":"10de:0ffc"}"#,
            r#"{"type":"vfio_pci_ids","ids":"10de:0ffc,10de:0e1b"}"#,
            r#"{"type":"kernel_cmdline","present":"intel_iommu=on console=ttyS0,115200"}"#,
            r#"{"type":"modprobe_softdep","module":"nouveau","pre":"vfio-pci"}"#,
            r#"{"type":"modules_load","modules":"vfio_pci"}"#,
        ],
        expect![[r#"
            vfio_pci_ids: `ids` is "10de:0ffc", not a list
              Write `ids = { "10de:0ffc" }`.
            vfio_pci_ids: `ids` is "10de:0ffc,10de:0e1b", not a list
              Write `ids = { "10de:0ffc", "10de:0e1b" }`.
            kernel_cmdline: `present` is "intel_iommu=on console=ttyS0,115200", not a list
              Write `present = { "intel_iommu=on", "console=ttyS0,115200" }`.
            modprobe_softdep: `pre` is "vfio-pci", not a list
              Write `pre = { "vfio-pci" }`.
            modules_load: `modules` is "vfio_pci", not a list
              Write `modules = { "vfio_pci" }`.
        "#]],
    );
}

#[test]
fn several_values_in_one_text_are_answered_with_the_list_of_them() {
    check(
        "gpu.lua",
        &[
            r#"{"type":"vfio_pci_ids","ids":["10de:0ffc,10de:0e1b"]}"#,
            r#"{"type":"vfio_pci_ids","ids":["10de:0ffc 10de:0e1b", "8086:1533"]}"#,
            r#"{"type":"vfio_pci_ids","ids":["[10de:0ffc]"]}"#,
            r#"{"type":"kernel_cmdline","present":["intel_iommu=on iommu=pt"]}"#,
            r#"{"type":"kernel_cmdline","present":[["intel_iommu=on"]]}"#,
            r#"{"type":"kernel_cmdline","present":["iommu=pt\n"]}"#,
            r#"{"type":"modprobe_softdep","module":"nouveau","pre":["pre: vfio-pci"]}"#,
        ],
        expect![[r#"
            vfio_pci_ids: item 1 of `ids`: `10de:0ffc,10de:0e1b` is not a PCI id, expected `vendor:device[:subvendor[:subdevice[:class[:mask]]]]` in hexadecimal such as `10de:0ffc`
              Write `ids = { "10de:0ffc", "10de:0e1b" }`.
            vfio_pci_ids: item 1 of `ids`: `10de:0ffc 10de:0e1b` is not a PCI id, expected `vendor:device[:subvendor[:subdevice[:class[:mask]]]]` in hexadecimal such as `10de:0ffc`
              Write `ids = { "10de:0ffc", "10de:0e1b", "8086:1533" }`.
            vfio_pci_ids: item 1 of `ids`: `[10de:0ffc]` is not a PCI id, expected `vendor:device[:subvendor[:subdevice[:class[:mask]]]]` in hexadecimal such as `10de:0ffc`
              Write `ids = { "10de:0ffc" }`.
            kernel_cmdline: item 1 of `present` is "intel_iommu=on iommu=pt": a kernel parameter has a blank outside double quotes
              Write `present = { "intel_iommu=on", "iommu=pt" }`.
            kernel_cmdline: item 1 of `present` is { "intel_iommu=on" }, not a text
              Write `present = { "intel_iommu=on" }`.
            kernel_cmdline: item 1 of `present` is "iommu=pt\n": a kernel parameter has a control character
              Write `present = { "iommu=pt" }`.
            modprobe_softdep: item 1 of `pre`: `pre: vfio-pci` is not a module name, expected 1 to 55 letters, digits, `_`, `-`, `.` or `+`
              Write `pre = { "vfio-pci" }`.
        "#]],
    );
}

#[test]
fn a_map_and_a_list_are_answered_with_the_other() {
    check(
        "gpu.lua",
        &[
            r#"{"type":"kernel_cmdline","present":{"intel_iommu":"on","iommu":"pt"}}"#,
            r#"{"type":"modprobe_options","module":"kvm_intel","options":"nested=1"}"#,
            r#"{"type":"modprobe_options","module":"kvm_intel","options":["nested=1","ept=Y"]}"#,
            r#"{"type":"modprobe_options","module":"kvm_intel","options":{"nested":[1]}}"#,
            r#"{"type":"driver_binding","device":["0000:01:00.0"],"driver":"vfio-pci"}"#,
        ],
        expect![[r#"
            kernel_cmdline: `present` is { intel_iommu = "on", iommu = "pt" }, not a list
              Write `present = { "intel_iommu=on", "iommu=pt" }`.
            modprobe_options: `options` is "nested=1", not a table with names
              Write `options = { nested = 1 }`.
            modprobe_options: `options` is { "nested=1", "ept=Y" }, not a table with names
              Write `options = { ept = "Y", nested = 1 }`.
            modprobe_options: `options.nested`: [1] is not a value of a module parameter; give a text, a number, true or false
              Write `options = { nested = 1 }`.
            driver_binding: `device` is { "0000:01:00.0" }, not a PCI address such as "0000:01:00.0" or a table such as { vendor = "10de" }
              Write `device = "0000:01:00.0"`.
        "#]],
    );
}

#[test]
fn numbers_and_booleans_as_texts_are_answered_without_the_quotes() {
    check(
        "gpu.lua",
        &[
            r#"{"type":"sriov_numvfs","device":"0000:3b:00.0","numvfs":"4"}"#,
            r#"{"type":"sriov_numvfs","device":"0000:3b:00.0","numvfs":-1}"#,
            r#"{"type":"sriov_numvfs","device":"0000:3b:00.0","numvfs":4.5}"#,
            r#"{"type":"sriov_numvfs","device":"0000:3b:00.0","numvfs":70000}"#,
            r#"{"type":"sriov_numvfs","device":"0000:3b:00.0","numvfs":"four"}"#,
            r#"{"type":"sriov_numvfs","device":"0000:3b:00.0"}"#,
            r#"{"type":"modprobe_blacklist","module":"nouveau","install":"yes"}"#,
            r#"{"type":"modprobe_blacklist","module":"nouveau","install":0}"#,
            r#"{"type":"driver_binding","device":{"vendor":4318,"device":4092},"driver":"vfio-pci"}"#,
        ],
        expect![[r#"
            sriov_numvfs: `numvfs` is "4", not a whole number from 0 to 65535
              Write `numvfs = 4`.
            sriov_numvfs: `numvfs` is -1, not a whole number from 0 to 65535
              Write it like `numvfs = 4`. Number of virtual functions; 0 removes them. At most the device's `sriov_totalvfs`.
            sriov_numvfs: `numvfs` is 4.5, not a whole number from 0 to 65535
              Write it like `numvfs = 4`. Number of virtual functions; 0 removes them. At most the device's `sriov_totalvfs`.
            sriov_numvfs: `numvfs` is 70000, not a whole number from 0 to 65535
              Write it like `numvfs = 4`. Number of virtual functions; 0 removes them. At most the device's `sriov_totalvfs`.
            sriov_numvfs: `numvfs` is "four", not a whole number from 0 to 65535
              Write it like `numvfs = 4`. Number of virtual functions; 0 removes them. At most the device's `sriov_totalvfs`.
            sriov_numvfs: missing field `numvfs`
              Write it like `numvfs = 4`. Number of virtual functions; 0 removes them. At most the device's `sriov_totalvfs`.
            modprobe_blacklist: `install` is "yes", not true or false
              Write `install = true`.
            modprobe_blacklist: `install` is 0, not true or false
              Write `install = false`.
            driver_binding: `device.device` is 4092, not a text in quotes, such as "10de"
              Write `device = { device = "0ffc", vendor = "10de" }`.
        "#]],
    );
}

#[test]
fn a_device_named_in_another_way_is_answered_with_its_address() {
    check(
        "gpu.lua",
        &[
            r#"{"type":"driver_binding","device":"0000:01:00:0","driver":"vfio-pci"}"#,
            r#"{"type":"driver_binding","device":"0000:01:00","driver":"vfio-pci"}"#,
            r#"{"type":"driver_binding","device":"pci@0000:01:00.0","driver":"vfio-pci"}"#,
            r#"{"type":"driver_binding","device":"pci_0000_01_00_0","driver":"vfio-pci"}"#,
            r#"{"type":"driver_binding","device":"1:0.0","driver":"vfio-pci"}"#,
            r#"{"type":"driver_binding","device":{"address":"0000:01:00:0"},"driver":"vfio-pci"}"#,
            r#"{"type":"sriov_numvfs","device":"ens1f0","numvfs":4}"#,
            r#"{"type":"driver_binding","device":"the card","driver":"vfio-pci"}"#,
            r#"{"type":"driver_binding","device":{},"driver":"vfio-pci"}"#,
            r#"{"type":"driver_binding","device":{"vender":"10de"},"driver":"vfio-pci"}"#,
            r#"{"type":"driver_binding","device":{"mac":"aa:bb:cc"},"driver":"vfio-pci"}"#,
            r#"{"type":"driver_binding","device":{"class":"dispaly"},"driver":"vfio-pci"}"#,
            r#"{"type":"driver_binding","device":null,"driver":"vfio-pci"}"#,
            r#"{"type":"vfio_pci_ids","ids":["01:00.0"]}"#,
            r#"{"type":"vfio_pci_ids","ids":["10de0ffc"]}"#,
        ],
        expect![[r#"
            driver_binding: `device`: `0000:01:00:0` is not a PCI address, expected `DDDD:BB:DD.F` in hexadecimal such as `0000:01:00.0`
              Did you mean 0000:01:00.0? Write `device = "0000:01:00.0"`.
            driver_binding: `device`: `0000:01:00` is not a PCI address, expected `DDDD:BB:DD.F` in hexadecimal such as `0000:01:00.0`
              Did you mean 0000:01:00.0? Write `device = "0000:01:00.0"`.
            driver_binding: `device`: `pci@0000:01:00.0` is not a PCI address, expected `DDDD:BB:DD.F` in hexadecimal such as `0000:01:00.0`
              Did you mean 0000:01:00.0? Write `device = "0000:01:00.0"`.
            driver_binding: `device`: `pci_0000_01_00_0` is not a PCI address, expected `DDDD:BB:DD.F` in hexadecimal such as `0000:01:00.0`
              Did you mean 0000:01:00.0? Write `device = "0000:01:00.0"`.
            driver_binding: `device`: `1:0.0` is not a PCI address, expected `DDDD:BB:DD.F` in hexadecimal such as `0000:01:00.0`
              Did you mean 0000:01:00.0? Write `device = "0000:01:00.0"`.
            driver_binding: `device`: `0000:01:00:0` is not a PCI address, expected `DDDD:BB:DD.F` in hexadecimal such as `0000:01:00.0`
              Write `device = { address = "0000:01:00.0" }`.
            sriov_numvfs: `device`: `ens1f0` is not a PCI address, expected `DDDD:BB:DD.F` in hexadecimal such as `0000:01:00.0`
              Write `device = { interface = "ens1f0" }`.
            driver_binding: `device`: `the card` is not a PCI address, expected `DDDD:BB:DD.F` in hexadecimal such as `0000:01:00.0`
              Write it like `device = "0000:01:00.0"`. The device: an address such as `0000:01:00.0`, or a description of exactly one device.
            driver_binding: `device`: an empty selector; it takes address, class, device, function, interface, mac, path, serial, slot, vendor
              Write it like `device = "0000:01:00.0"`. The device: an address such as `0000:01:00.0`, or a description of exactly one device.
            driver_binding: `device`: a selector has no `vender`
              Did you mean `vendor`?
            driver_binding: `device`: mac "aa:bb:cc" is not a hardware address such as "52:54:00:12:34:56"
              Write it like `device = "0000:01:00.0"`. The device: an address such as `0000:01:00.0`, or a description of exactly one device.
            driver_binding: `device`: there is no class "dispaly"
              Did you mean "display"?
            driver_binding: `device` is nil, not a PCI address such as "0000:01:00.0" or a table such as { vendor = "10de" }
              Write it like `device = "0000:01:00.0"`. The device: an address such as `0000:01:00.0`, or a description of exactly one device.
            vfio_pci_ids: item 1 of `ids`: `01:00.0` is not a PCI id, expected `vendor:device[:subvendor[:subdevice[:class[:mask]]]]` in hexadecimal such as `10de:0ffc`
              That is the address of a device: `hoststate inspect devices` shows its id. Write it like `ids = { "10de:0ffc" }`. Ids, `vendor:device[:subvendor[:subdevice[:class[:mask]]]]`, hexadecimal.
            vfio_pci_ids: item 1 of `ids`: `10de0ffc` is not a PCI id, expected `vendor:device[:subvendor[:subdevice[:class[:mask]]]]` in hexadecimal such as `10de:0ffc`
              Write it like `ids = { "10de:0ffc" }`. Ids, `vendor:device[:subvendor[:subdevice[:class[:mask]]]]`, hexadecimal.
        "#]],
    );
}

#[test]
fn files_where_names_are_meant_are_answered_with_the_names() {
    check(
        "gpu.lua",
        &[
            r#"{"type":"modules_load","modules":["vfio_pci.ko"]}"#,
            r#"{"type":"modprobe_blacklist","module":"/lib/modules/6.8.0/kernel/nouveau.ko.zst"}"#,
            r#"{"type":"modprobe_softdep","module":"nouveau","pre":["vfio-pci"],"file":"/etc/modprobe.d/vfio.conf"}"#,
            r#"{"type":"modprobe_softdep","module":"nouveau","pre":["vfio-pci"],"file":"vfio"}"#,
            r#"{"type":"modprobe_softdep","module":"nouveau","pre":["vfio-pci"],"file":"../../passwd.conf"}"#,
        ],
        expect![[r#"
            modules_load: item 1 of `modules`: `vfio_pci.ko` is the file of a module, not its name
              Write `modules = { "vfio_pci" }`.
            modprobe_blacklist: `module`: `/lib/modules/6.8.0/kernel/nouveau.ko.zst` is the file of a module, not its name
              Write `module = "nouveau"`.
            modprobe_softdep: `file`: "/etc/modprobe.d/vfio.conf" is not a file that kmod reads; give a name such as "01-vfio-pci.conf"
              Write `file = "vfio.conf"`.
            modprobe_softdep: `file`: "vfio" is not a file that kmod reads; give a name such as "01-vfio-pci.conf"
              Write `file = "vfio.conf"`.
            modprobe_softdep: `file`: "../../passwd.conf" is not a file that kmod reads; give a name such as "01-vfio-pci.conf"
              Write it like `file = "01-vfio-pci.conf"`. File in `/etc/modprobe.d` for the line; default `01-hoststate.conf`, which sorts before all others.
        "#]],
    );
}

#[test]
fn json_is_answered_in_json() {
    check(
        "play.json",
        &[
            r#"{"type":"vfio_pci_ids","ids":"10de:0ffc"}"#,
            r#"{"type":"kernel_cmdline","present":{"intel_iommu":"on"}}"#,
            r#"{"type":"sriov_numvfs","device":"ens1f0","numvfs":4}"#,
        ],
        expect![[r#"
            vfio_pci_ids: `ids` is "10de:0ffc", not a list
              Write `"ids": ["10de:0ffc"]`.
            kernel_cmdline: `present` is {"intel_iommu":"on"}, not a list
              Write `"present": ["intel_iommu=on"]`.
            sriov_numvfs: `device`: `ens1f0` is not a PCI address, expected `DDDD:BB:DD.F` in hexadecimal such as `0000:01:00.0`
              Write `"device": {"interface":"ens1f0"}`.
        "#]],
    );
}

#[test]
fn all_that_is_wrong_with_a_declaration_is_said_at_once() {
    check(
        "gpu.lua",
        &[
            r#"{"type":"sriov_numvfs","device":"0000:3b:00:0","numvfs":"4","autoprob":true}"#,
            r#"{"type":"driver_binding","devcie":"01:00.0"}"#,
            r#"{"type":"kernel_cmdlin"}"#,
        ],
        expect![[r#"
            sriov_numvfs: unknown field `autoprob`
              Did you mean `autoprobe`?
            sriov_numvfs: `device`: `0000:3b:00:0` is not a PCI address, expected `DDDD:BB:DD.F` in hexadecimal such as `0000:01:00.0`
              Did you mean 0000:3b:00.0? Write `device = "0000:3b:00.0"`.
            sriov_numvfs: `numvfs` is "4", not a whole number from 0 to 65535
              Write `numvfs = 4`.
            driver_binding: unknown field `devcie`
              Did you mean `device`?
            driver_binding: missing field `driver`
              Write it like `driver = "vfio-pci"`. The driver, such as `vfio-pci`.
            there is no resource type "kernel_cmdlin"
              Did you mean `kernel_cmdline`?
        "#]],
    );
}
