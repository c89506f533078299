//! What `gpu_passthrough` takes for a card: its functions, twins, and what only sits beside it.

use expect_test::{Expect, expect};

use crate::support::{Machine, device, outcome};

/// A device, its modules, and what tells it from twins.
type Row = (&'static str, &'static str, &'static str, Option<u32>, &'static str);

fn machine(rows: &[Row]) -> Machine {
    let class_name = |class: &str| if class.starts_with("03") { "display" } else { "other" };
    Machine {
        vendor: Some("AuthenticAMD"),
        devices: rows.iter().map(|it| device(it.0, it.1, it.2, class_name(it.2), it.3)).collect(),
        modules: rows.iter().filter(|it| !it.4.is_empty()).map(|it| (it.0, vec![it.4])).collect(),
    }
}

/// Shows what of a playbook takes devices.
fn check(machine: &Machine, text: &str, expect: Expect) {
    let all = outcome(machine, text, &[]);
    let takes =
        |it: &&str| ["vfio_pci_ids", "driver_binding", "error", "hint"].iter().any(|word| it.contains(word));
    let shown: String = all.lines().filter(takes).map(|it| format!("{it}\n")).collect();
    expect.assert_eq(&shown);
}

#[test]
fn the_rest_of_a_processor_with_graphics_stays_with_the_host() {
    let rows = [
        ("0000:c5:00.0", "1002:1900", "030000", Some(20), "amdgpu"),
        ("0000:c5:00.1", "1002:1640", "040300", Some(21), "snd_hda_intel"),
        ("0000:c5:00.2", "1022:15c7", "108000", Some(22), "ccp"),
        ("0000:c5:00.3", "1022:15b9", "0c0330", Some(23), "xhci_pci"),
        ("0000:c5:00.6", "1022:15e3", "040300", Some(24), "snd_hda_intel"),
    ];
    for text in [
        "gpu_passthrough { device = 'c5:00.0' }",
        "gpu_passthrough { device = 'c5:00.0', whole_group = false }",
    ] {
        check(
            &machine(&rows),
            text,
            expect![[r#"
                gpu.lua:1: vfio_pci_ids "0000:c5:00.0" {"file":"01-vfio-pci.conf","ids":["1002:1900","1002:1640"]}
            "#]],
        );
    }
}

#[test]
fn a_function_of_the_card_in_a_group_of_its_own_goes_along() {
    let rows = [
        ("0000:01:00.0", "10de:1e84", "030000", Some(20), "nouveau"),
        ("0000:01:00.1", "10de:10f8", "040300", Some(21), "snd_hda_intel"),
        ("0000:01:00.2", "10de:1ad8", "0c0330", Some(22), "xhci_pci"),
    ];
    check(
        &machine(&rows),
        "gpu_passthrough { device = '01:00.0' }",
        expect![[r#"
            gpu.lua:1: vfio_pci_ids "0000:01:00.0" {"file":"01-vfio-pci.conf","ids":["10de:1e84","10de:10f8","10de:1ad8"]}
        "#]],
    );
}

#[test]
fn audio_in_another_slot_goes_along_by_the_group() {
    let rows = [
        ("0000:01:00.0", "1002:15d8", "030000", Some(3), "amdgpu"),
        ("0000:01:01.0", "1002:15de", "040300", Some(3), "snd_hda_intel"),
        ("0000:02:00.0", "1022:145f", "0c0330", Some(4), "xhci_pci"),
    ];
    check(
        &machine(&rows),
        "gpu_passthrough { device = '01:00.0' }",
        expect![[r#"
            gpu.lua:1: vfio_pci_ids "0000:01:00.0" {"file":"01-vfio-pci.conf","ids":["1002:15d8","1002:15de"]}
        "#]],
    );
}

#[test]
fn a_switch_of_nvlink_goes_along_and_a_bridge_does_not() {
    let rows = [
        ("0000:04:00.0", "10b5:8796", "060400", Some(9), "shpchp"),
        ("0000:05:00.0", "10de:22a3", "068000", Some(9), "nvidia"),
        ("0000:18:00.0", "10de:2335", "030200", Some(9), "nvidia"),
    ];
    check(
        &machine(&rows),
        "gpu_passthrough { device = '18:00.0' }",
        expect![[r#"
            gpu.lua:1: vfio_pci_ids "0000:18:00.0" {"file":"01-vfio-pci.conf","ids":["10de:22a3","10de:2335"]}
        "#]],
    );
}

#[test]
fn a_virtual_function_is_a_card_of_its_own() {
    let rows = [
        ("0000:00:02.0", "8086:4680", "030000", Some(1), "i915"),
        ("0000:00:02.1", "8086:4680", "030000", Some(2), "i915"),
        ("0000:00:02.2", "8086:4680", "030000", Some(3), "i915"),
    ];
    let mut machine = machine(&rows);
    machine.devices[1].physfn = Some("0000:00:02.0".to_owned());
    machine.devices[2].physfn = Some("0000:00:02.0".to_owned());
    check(
        &machine,
        "gpu_passthrough { device = '00:02.1' }",
        expect![[r#"
            gpu.lua:1: driver_binding "0000:00:02.1" {"device":"0000:00:02.1","driver":"vfio-pci"}
        "#]],
    );
    check(
        &machine,
        "gpu_passthrough { device = '00:02.0' }",
        expect![[r#"
            gpu.lua:1: driver_binding "0000:00:02.0" {"device":"0000:00:02.0","driver":"vfio-pci"}
        "#]],
    );
}

#[test]
fn what_another_card_shares_is_taken_by_its_address() {
    let rows = [
        ("0000:0a:00.0", "1002:73af", "030000", Some(30), "amdgpu"),
        ("0000:0a:00.1", "1002:ab28", "040300", Some(31), "snd_hda_intel"),
        ("0000:0b:00.0", "1002:73df", "030000", Some(32), "amdgpu"),
        ("0000:0b:00.1", "1002:ab28", "040300", Some(33), "snd_hda_intel"),
    ];
    let text = "gpu_passthrough { device = '0b:00.0' }\ndriver_binding { device = '0000:0b:00.1', driver = 'vfio-pci' }";
    check(
        &machine(&rows),
        text,
        expect![[r#"
            gpu.lua:1: vfio_pci_ids "0000:0b:00.0" {"file":"01-vfio-pci.conf","ids":["1002:73df"]}
            gpu.lua:1: driver_binding "0000:0b:00.1" {"device":"0000:0b:00.1","driver":"vfio-pci"}
        "#]],
    );
    let mut machine = machine(&rows);
    machine.devices[1].subsystem_device = "0e36".to_owned();
    machine.devices[3].subsystem_device = "6901".to_owned();
    machine.devices.iter_mut().for_each(|it| it.subsystem_vendor = "1da2".to_owned());
    check(
        &machine,
        "gpu_passthrough { device = '0b:00.0' }",
        expect![[r#"
            gpu.lua:1: vfio_pci_ids "0000:0b:00.0" {"file":"01-vfio-pci.conf","ids":["1002:73df","1002:ab28:1da2:6901"]}
        "#]],
    );
    check(
        &machine,
        "gpu_passthrough { device = '0b:00.0' }\ngpu_passthrough { device = '0a:00.0' }",
        expect![[r#"
            gpu.lua:1: vfio_pci_ids "0000:0b:00.0" {"file":"01-vfio-pci.conf","ids":["1002:73df","1002:ab28"]}
            gpu.lua:2: vfio_pci_ids "0000:0a:00.0" {"file":"01-vfio-pci.conf","ids":["1002:73af","1002:ab28"]}
        "#]],
    );
}

#[test]
fn a_function_that_no_module_drives_is_taken_by_its_address_as_well() {
    let rows = [
        ("0000:98:00.0", "10de:1e84", "030000", Some(50), "nouveau"),
        ("0000:98:00.2", "10de:1ad8", "0c0330", Some(50), ""),
    ];
    check(
        &machine(&rows),
        "gpu_passthrough { device = '98:00.0' }",
        expect![[r#"
            gpu.lua:1: vfio_pci_ids "0000:98:00.0" {"file":"01-vfio-pci.conf","ids":["10de:1e84","10de:1ad8"]}
            gpu.lua:1: driver_binding "0000:98:00.2" {"device":"0000:98:00.2","driver":"vfio-pci"}
        "#]],
    );
}
