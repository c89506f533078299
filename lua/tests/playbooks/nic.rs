//! `sriov_nic`: a network card with virtual functions and their drivers.

use expect_test::{Expect, expect};

use hoststate_lua::facts::NoHost;

use crate::composites::machine;
use crate::support::{Machine, device, outcome};

fn check(machine: &Machine, text: &str, expect: Expect) {
    expect.assert_eq(&outcome(machine, text, &[]));
}

fn nic(numvfs: usize) -> Machine {
    let mut card = device("0000:3b:00.1", "8086:1592", "020000", "network", Some(20));
    card.sriov_totalvfs = Some(64);
    card.sriov_offset = Some(15);
    card.sriov_stride = Some(1);
    card.virtfns = (0..numvfs).map(|it| format!("0000:3b:02.{it}")).collect();
    Machine {
        devices: vec![device("0000:01:00.0", "10de:0ffc", "030000", "display", None), card],
        ..machine()
    }
}

#[test]
fn a_network_card_gets_functions_and_these_a_driver() {
    check(
        &nic(0),
        "sriov_nic { device = '3b:00.1', numvfs = 3 }",
        expect![[r#"
        gpu.lua:1: sriov_numvfs "0000:3b:00.1" {"device":"0000:3b:00.1","numvfs":3}
    "#]],
    );
    check(
        &nic(0),
        "sriov_nic { device = '3b:00.1', numvfs = 9, driver = 'vfio-pci' }",
        expect![[r#"
        gpu.lua:1: sriov_numvfs "0000:3b:00.1" {"autoprobe":false,"device":"0000:3b:00.1","numvfs":9}
        gpu.lua:1: driver_binding "0000:3b:02.0" {"device":"0000:3b:02.0","driver":"vfio-pci"}
        gpu.lua:1: driver_binding "0000:3b:02.1" {"device":"0000:3b:02.1","driver":"vfio-pci"}
        gpu.lua:1: driver_binding "0000:3b:02.2" {"device":"0000:3b:02.2","driver":"vfio-pci"}
        gpu.lua:1: driver_binding "0000:3b:02.3" {"device":"0000:3b:02.3","driver":"vfio-pci"}
        gpu.lua:1: driver_binding "0000:3b:02.4" {"device":"0000:3b:02.4","driver":"vfio-pci"}
        gpu.lua:1: driver_binding "0000:3b:02.5" {"device":"0000:3b:02.5","driver":"vfio-pci"}
        gpu.lua:1: driver_binding "0000:3b:02.6" {"device":"0000:3b:02.6","driver":"vfio-pci"}
        gpu.lua:1: driver_binding "0000:3b:02.7" {"device":"0000:3b:02.7","driver":"vfio-pci"}
        gpu.lua:1: driver_binding "0000:3b:03.0" {"device":"0000:3b:03.0","driver":"vfio-pci"}
    "#]],
    );
    check(
        &nic(2),
        "sriov_nic { device = { vendor = '8086' }, numvfs = 2, driver = 'iavf' }",
        expect![[r#"
        gpu.lua:1: sriov_numvfs "0000:3b:00.1" {"device":"0000:3b:00.1","numvfs":2}
        gpu.lua:1: driver_binding "0000:3b:02.0" {"device":"0000:3b:02.0","driver":"iavf"}
        gpu.lua:1: driver_binding "0000:3b:02.1" {"device":"0000:3b:02.1","driver":"iavf"}
    "#]],
    );
    check(
        &nic(2),
        "sriov_nic { device = '3b:00.1', numvfs = 0, driver = 'iavf' }",
        expect![[r#"
        gpu.lua:1: sriov_numvfs "0000:3b:00.1" {"device":"0000:3b:00.1","numvfs":0}
    "#]],
    );
    check(
        &nic(0),
        "sriov_nic { device = '3b:00.1', numvfs = 65 }",
        expect![[r#"
        error: sriov_nic: 0000:3b:00.1 offers 64 virtual functions, the playbook wants 65
          at gpu.lua:1
        hint: Lower `numvfs` to 64, or raise the limit in the card's firmware.
    "#]],
    );
    check(
        &nic(0),
        "sriov_nic { device = '01:00.0', numvfs = 1 }",
        expect![[r#"
        error: sriov_nic: 0000:01:00.0 display 10de:0ffc offers no virtual functions
          at gpu.lua:1
        hint: Enable SR-IOV in the firmware of the card and of the machine, or give another device.
    "#]],
    );
    check(
        &nic(0),
        "sriov_nic { device = '3b:00.1', numvf = 1 }",
        expect![[r#"
        error: sriov_nic: unknown field `numvf`
          at gpu.lua:1
        hint: Did you mean `numvfs`?
    "#]],
    );
    check(
        &nic(0),
        "sriov_nic { device = '3b:00.1', numvfs = 1.5 }",
        expect![[r#"
            error: sriov_nic: `numvfs` is 1.5, not a whole number from 0 to 65535
              at gpu.lua:1
            hint: Write it like `numvfs = 4`. Number of virtual functions. At most the device's `sriov_totalvfs`.
        "#]],
    );
    let mut unknown = nic(0);
    unknown.devices[1].sriov_offset = None;
    check(
        &unknown,
        "sriov_nic { device = '3b:00.1', numvfs = 1, driver = 'vfio-pci' }",
        expect![[r#"
        error: sriov_nic: the addresses of the virtual functions of 0000:3b:00.1 are not known yet
          at gpu.lua:1
        hint: Leave `driver` out, converge, and add it then.
    "#]],
    );
    expect![[r#"
        > sriov_nic: what it declares depends on the host and is not checked here
        gpu.lua:1: sriov_numvfs "0000:3b:00.1" {"device":"3b:00.1","numvfs":3}
    "#]]
    .assert_eq(&outcome(&NoHost, "sriov_nic { device = '3b:00.1', numvfs = 3 }", &[]));
}
