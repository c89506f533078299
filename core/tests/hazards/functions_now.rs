//! What a plan writes to make virtual functions now, by the driver that makes them.

use expect_test::{Expect, expect};
use hoststate_testkit::pci::{SysfsDevice, register_driver};
use hoststate_testkit::tree::Tree;
use serde_json::{Value, json};

use crate::plan;
use crate::sysfs::host;

fn planned(tree: &Tree, playbook: &Value, expected: Expect) {
    let plan = plan(tree, playbook, &[]);
    let mut text = String::new();
    for step in plan.changes.iter().flat_map(|it| &it.steps).filter(|it| it.file().is_none()) {
        text.push_str(&format!("{step}\n"));
    }
    for it in &plan.deferred {
        text.push_str(&format!("later: {}\n", it.reason));
    }
    for it in &plan.conflicts {
        text.push_str(&format!("conflict: {}\n", it.reason));
    }
    expected.assert_eq(&text);
}

fn port(driver: &str) -> Tree {
    let tree = host();
    register_driver(&tree, driver);
    SysfsDevice::igb("0000:3b:00.0").driver(driver).group(7).write(&tree);
    tree
}

fn four() -> Value {
    json!([{ "type": "sriov_numvfs", "device": "0000:3b:00.0", "numvfs": 4 }])
}

#[test]
fn vfio_is_told_to_make_functions_before_the_number_is_written() {
    let tree = port("vfio-pci");
    let parameter = "/sys/module/vfio_pci/parameters/enable_sriov";
    tree.write(parameter, "N\n");
    planned(
        &tree,
        &four(),
        expect![[r#"
            conflict: 0000:3b:00.0 is bound to vfio-pci, which makes virtual functions only with enable_sriov. Declare modprobe_options { module = "vfio_pci", options = { enable_sriov = 1 } }, or bind it to its own driver
        "#]],
    );
    tree.write("/etc/modprobe.d/vfio.conf", "options vfio-pci enable_sriov=1\n");
    planned(
        &tree,
        &four(),
        expect![[r#"
        write "1" to /sys/module/vfio_pci/parameters/enable_sriov
        write "4" to /sys/bus/pci/devices/0000:3b:00.0/sriov_numvfs
    "#]],
    );
    tree.write(parameter, "Y\n");
    planned(
        &tree,
        &four(),
        expect![[r#"
        write "4" to /sys/bus/pci/devices/0000:3b:00.0/sriov_numvfs
    "#]],
    );
}

#[test]
fn an_interface_that_is_down_is_brought_up_first_for_a_driver_that_needs_it() {
    let tree = port("bnxt_en");
    planned(
        &tree,
        &four(),
        expect![[r#"
        conflict: bnxt_en makes virtual functions only while the network interface of 0000:3b:00.0 is up, and it shows none: another network namespace may have it
    "#]],
    );
    SysfsDevice::igb("0000:3b:00.0").driver("bnxt_en").interface("ens1", "52:54:00:12:34:01").write(&tree);
    tree.link("/sys/class/net/ens1", "../../devices/pci0000:00/0000:3b:00.0/net/ens1");
    tree.write("/sys/devices/pci0000:00/0000:3b:00.0/net/ens1/flags", "0x1002\n");
    planned(
        &tree,
        &four(),
        expect![[r#"
        run ip link set dev ens1 up
        write "4" to /sys/bus/pci/devices/0000:3b:00.0/sriov_numvfs
    "#]],
    );
    tree.write("/sys/devices/pci0000:00/0000:3b:00.0/net/ens1/flags", "0x1003\n");
    planned(
        &tree,
        &four(),
        expect![[r#"
        write "4" to /sys/bus/pci/devices/0000:3b:00.0/sriov_numvfs
    "#]],
    );
}

#[test]
fn the_driver_comes_before_the_number() {
    let tree = port("igb");
    register_driver(&tree, "vfio-pci");
    tree.write("/sys/module/vfio_pci/parameters/enable_sriov", "Y\n");
    let playbook = json!([
        { "type": "sriov_numvfs", "device": "0000:3b:00.0", "numvfs": 4 },
        { "type": "driver_binding", "device": "0000:3b:00.0", "driver": "vfio-pci" },
    ]);
    planned(
        &tree,
        &playbook,
        expect![[r#"
        write "vfio-pci" to /sys/bus/pci/devices/0000:3b:00.0/driver_override
        write "0000:3b:00.0" to /sys/bus/pci/devices/0000:3b:00.0/driver/unbind
        write "0000:3b:00.0" to /sys/bus/pci/drivers_probe
        later: 0000:3b:00.0 is bound to vfio-pci first, which makes its virtual functions
    "#]],
    );
}

#[test]
fn drivers_without_a_way_to_make_functions_are_named() {
    for (driver, expected) in [
        (
            "uio_pci_generic",
            expect![[r#"
            conflict: 0000:3b:00.0 is bound to uio_pci_generic, and only its own driver can make virtual functions; bind it to that driver
        "#]],
        ),
        (
            "i915",
            expect![[r#"
            conflict: 0000:3b:00.0 is bound to i915, and the i915 of the kernel itself makes no virtual functions: xe does on newer kernels, and the module of i915-sriov-dkms
        "#]],
        ),
        (
            "mlx4_core",
            expect![[r#"
            conflict: mlx4_core takes no number by sriov_numvfs: it makes virtual functions when its module is loaded, and nothing tells it how many. Declare modprobe_options { module = "mlx4_core", options = { num_vfs = 4 } }, which the initramfs needs as well where it has that driver
        "#]],
        ),
    ] {
        planned(&port(driver), &four(), expected);
    }
}
