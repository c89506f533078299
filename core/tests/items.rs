//! Declarations taken apart: what counts by itself, and what is one thing.

use hoststate_core::language::declaration::Declaration;
use hoststate_core::language::item::items;
use hoststate_core::language::registry::Registry;
use hoststate_core::resources::TABLE;
use serde_json::json;

fn check(declaration: serde_json::Value, expected: &serde_json::Value) {
    let declaration: Declaration = serde_json::from_value(declaration).expect("a declaration");
    let declared = Registry::new(TABLE).decode(declaration.clone()).expect("a resource");
    let items = items(&declared);
    assert!(items.iter().all(|it| declaration.has_item(it)), "{items:?}");
    assert_eq!(&serde_json::to_value(items).expect("JSON"), expected);
}

#[test]
fn each_parameter_option_module_and_id_counts_by_itself() {
    check(
        json!({"type": "kernel_cmdline", "name": "n", "present": ["console=tty0", "quiet", "console=ttyS0"],
               "additional": ["a=1", "a=2"], "absent": ["splash"]}),
        &json!([{"type": "kernel_cmdline", "present": ["console=tty0", "console=ttyS0"]},
                {"type": "kernel_cmdline", "present": ["quiet"]},
                {"type": "kernel_cmdline", "additional": ["a=1"]},
                {"type": "kernel_cmdline", "additional": ["a=2"]}]),
    );
    check(
        json!({"type": "modprobe_options", "module": "kvm", "options": {"a": 1, "b": true}, "file": "k.conf"}),
        &json!([{"type": "modprobe_options", "module": "kvm", "options": {"a": 1}, "file": "k.conf"},
                {"type": "modprobe_options", "module": "kvm", "options": {"b": true}, "file": "k.conf"}]),
    );
    check(
        json!({"type": "vfio_pci_ids", "ids": ["10de:0ffc", "10de:0e1b"]}),
        &json!([{"type": "vfio_pci_ids", "ids": ["10de:0ffc"]}, {"type": "vfio_pci_ids", "ids": ["10de:0e1b"]}]),
    );
    for kind in ["modules_load", "initramfs_modules"] {
        check(
            json!({"type": kind, "modules": ["loop", "kvm"]}),
            &json!([{"type": kind, "modules": ["loop"]}, {"type": kind, "modules": ["kvm"]}]),
        );
    }
}

#[test]
fn what_is_one_thing_stays_whole_and_keeps_its_name() {
    let binding =
        json!({"type": "driver_binding", "name": "n", "device": "0000:01:00.0", "driver": "vfio-pci"});
    check(binding.clone(), &json!([binding]));
    check(json!({"type": "kernel_cmdline", "absent": ["splash"]}), &json!([]));
}
