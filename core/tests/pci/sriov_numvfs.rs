//! `sriov_numvfs` on a port with seven virtual functions.

use expect_test::{Expect, expect};
use hoststate_abi::step::Step;
use hoststate_core::host::Host;
use hoststate_testkit::pci::SysfsDevice;
use hoststate_testkit::sim::SimHost;
use hoststate_testkit::tree::Tree;

use crate::run;

const RULES: &str = "/etc/udev/rules.d/70-hoststate-sriov.rules";
const NUMVFS: &str = "/sys/bus/pci/devices/0000:01:00.0/sriov_numvfs";

fn host() -> SimHost {
    let tree = Tree::new(&[]);
    SysfsDevice::igb("0000:01:00.0").interface("enp1s0", "52:54:00:12:34:01").write(&tree);
    SysfsDevice::new("0000:02:00.0", 0x144d, 0xa808, 0x01_0802).driver("nvme").write(&tree);
    SimHost::new(tree).native("8086:10c9", "igb").native("8086:10ca", "igbvf")
}

fn write(host: &SimHost, path: &str, value: &str) -> String {
    match host.perform(&Step::WriteAttribute { path: path.into(), value: value.to_owned() }) {
        Ok(_) => format!("{value}: now {}", host.tree().read(NUMVFS).expect("a physical function").trim()),
        Err(err) => err.to_string(),
    }
}

fn check(host: &SimHost, fields: &str, expect: Expect) {
    expect.assert_eq(&run::plan(host, &format!(r#"{{"type":"sriov_numvfs",{fields}}}"#)));
}

fn converge(host: &SimHost, fields: &str, expect: Expect) {
    expect.assert_eq(&run::converge(host, &format!(r#"{{"type":"sriov_numvfs",{fields}}}"#)));
}

#[test]
fn functions_are_made_now_and_at_every_boot() {
    let host = host();
    converge(
        &host,
        r#""device":"01:00.0","numvfs":4"#,
        expect![[r#"
        round 1
          write /etc/udev/rules.d/70-hoststate-sriov.rules
          write "4" to /sys/bus/pci/devices/0000:01:00.0/sriov_numvfs
        left: nothing to do"#]],
    );
    expect![[r##"
        # hoststate: sriov_numvfs 0000:01:00.0, mac 52:54:00:12:34:01
        ACTION=="add|bind", SUBSYSTEM=="pci|net", KERNELS=="0000:01:00.0", ATTRS{modalias}=="pci:v00008086d000010C9sv00001AF4sd00001100*", DRIVERS=="?*", RUN+="/usr/bin/hoststate boot-device 0000:01:00.0 numvfs=4 mac=52:54:00:12:34:01"
    "##]].assert_eq(&host.tree().read(RULES).unwrap());
    host.reboot();
    check(&host, r#""device":"01:00.0","numvfs":4"#, expect!["nothing to do"]);
    assert!(host.tree().read("/sys/bus/pci/devices/0000:01:10.6/vendor").is_some());
}

#[test]
fn another_count_goes_by_zero_and_replaces_the_rules() {
    let host = host();
    converge(
        &host,
        r#""device":"01:00.0","numvfs":4,"autoprobe":false"#,
        expect![[r#"
        round 1
          write /etc/udev/rules.d/70-hoststate-sriov.rules
          write "0" to /sys/bus/pci/devices/0000:01:00.0/sriov_drivers_autoprobe
          write "4" to /sys/bus/pci/devices/0000:01:00.0/sriov_numvfs
        left: nothing to do"#]],
    );
    converge(
        &host,
        r#""device":{"interface":"enp1s0"},"numvfs":2,"autoprobe":false"#,
        expect![[r#"
        round 1
          write /etc/udev/rules.d/70-hoststate-sriov.rules
          write "0" to /sys/bus/pci/devices/0000:01:00.0/sriov_numvfs
          write "2" to /sys/bus/pci/devices/0000:01:00.0/sriov_numvfs
        left: nothing to do"#]],
    );
    expect![[r##"
        # hoststate: sriov_numvfs 0000:01:00.0, mac 52:54:00:12:34:01, by interface enp1s0
        ACTION=="add|bind", SUBSYSTEM=="pci|net", KERNELS=="0000:01:00.0", ATTRS{modalias}=="pci:v00008086d000010C9sv00001AF4sd00001100*", DRIVERS=="?*", RUN+="/usr/bin/hoststate boot-device 0000:01:00.0 numvfs=2 autoprobe=0 mac=52:54:00:12:34:01"
    "##]].assert_eq(&host.tree().read(RULES).unwrap());
    converge(
        &host,
        r#""device":"01:00.0","numvfs":0"#,
        expect![[r#"
        round 1
          write /etc/udev/rules.d/70-hoststate-sriov.rules
          write "0" to /sys/bus/pci/devices/0000:01:00.0/sriov_numvfs
        left: nothing to do"#]],
    );
}

#[test]
fn what_cannot_be_is_refused_with_a_way_out() {
    let host = host();
    check(
        &host,
        r#""device":"01:00.0","numvfs":64"#,
        expect![[r#"
        error: sriov_numvfs "0000:01:00.0": 0000:01:00.0 offers 7 virtual functions, the playbook wants 64
        hint: Lower `numvfs` to 7, or raise the limit in the device firmware (sriov_totalvfs is set there)."#]],
    );
    check(
        &host,
        r#""device":"02:00.0","numvfs":1"#,
        expect![[r#"
        error: sriov_numvfs "0000:02:00.0": 0000:02:00.0 offers no virtual functions: it has no sriov_totalvfs
        hint: Enable SR-IOV in the firmware of the host and of the device; some devices need their vendor's tool for that (Mellanox: mstconfig set SRIOV_EN=1)."#]],
    );
    check(
        &host,
        r#""device":"03:00.0","numvfs":1"#,
        expect![
            "blocked: /sys/bus/pci/devices/0000:03:00.0: there is no PCI device at 0000:03:00.0; nearest: 0000:02:00.0 144d:a808 nvme nvme, 0000:01:00.0 8086:10c9 network igb enp1s0"
        ],
    );
    check(
        &host,
        r#""device":"01:00.0","numvfs":70000"#,
        expect![[r#"
            error: sriov_numvfs: `numvfs` is 70000, not a whole number from 0 to 65535
            hint: Write it like `"numvfs": 4`. Number of virtual functions; 0 removes them. At most the device's `sriov_totalvfs`."#]],
    );
    check(
        &host,
        r#""device":"01:00.0","numvf":1"#,
        expect![[r#"
        error: sriov_numvfs: unknown field `numvf`
        hint: Did you mean `numvfs`?"#]],
    );
    write(&host, NUMVFS, "1");
    check(
        &host,
        r#""device":"01:10.0","numvfs":1"#,
        expect![[r#"
        error: sriov_numvfs "0000:01:10.0": 0000:01:10.0 is a virtual function of 0000:01:00.0 and has none of its own
        hint: Give `device = "0000:01:00.0"`."#]],
    );
    write(&host, "/sys/bus/pci/devices/0000:01:00.0/driver/unbind", "0000:01:00.0");
    check(
        &host,
        r#""device":"01:00.0","numvfs":1"#,
        expect![[r#"
        /etc/udev/rules.d/70-hoststate-sriov.rules: 0000:01:00.0: - to sriov_numvfs=1 (none)
          write /etc/udev/rules.d/70-hoststate-sriov.rules
        blocked: /sys/bus/pci/devices/0000:01:00.0/sriov_numvfs: 0000:01:00.0 has no driver, and only its own driver can make virtual functions; load that driver"#]],
    );
}

#[test]
fn an_image_gets_the_rules_only() {
    let host = SimHost::new(Tree::new(&[("/etc/hostname", "image\n")]));
    check(
        &host,
        r#""device":"01:00.0","numvfs":4"#,
        expect![[r#"
        /etc/udev/rules.d/70-hoststate-sriov.rules: 0000:01:00.0: - to sriov_numvfs=4 (none)
          write /etc/udev/rules.d/70-hoststate-sriov.rules"#]],
    );
    check(
        &host,
        r#""device":{"class":"network"},"numvfs":4"#,
        expect![[r#"
        error: sriov_numvfs "class network": no PCI device can be selected by class network: this tree has no /sys
        hint: Give the address of the device, such as "0000:01:00.0"."#]],
    );
}

#[test]
fn a_kernel_without_autoprobe_cannot_leave_functions_free() {
    let host = host();
    host.tree().remove("/sys/bus/pci/devices/0000:01:00.0/sriov_drivers_autoprobe");
    check(
        &host,
        r#""device":"01:00.0","numvfs":4,"autoprobe":false"#,
        expect![[r#"
        error: sriov_numvfs "0000:01:00.0": 0000:01:00.0 has no sriov_drivers_autoprobe, so `autoprobe = false` is not possible
        hint: It exists since Linux 4.12. Leave `autoprobe` out."#]],
    );
}

#[test]
fn the_simulated_kernel_answers_as_the_measured_one() {
    let host = host();
    let values = ["4", "2", "4", "0", "0x2", "8", "65536", "-1", "abc", "", "3 "];
    let answers: Vec<String> = values.iter().map(|it| write(&host, NUMVFS, it)).collect();
    expect![[r#"
        4: now 4
        writing "2" to /sys/bus/pci/devices/0000:01:00.0/sriov_numvfs: Device or resource busy (os error 16)
        4: now 4
        0: now 0
        0x2: now 2
        writing "8" to /sys/bus/pci/devices/0000:01:00.0/sriov_numvfs: Numerical result out of range (os error 34)
        writing "65536" to /sys/bus/pci/devices/0000:01:00.0/sriov_numvfs: Invalid argument (os error 22)
        writing "-1" to /sys/bus/pci/devices/0000:01:00.0/sriov_numvfs: Invalid argument (os error 22)
        writing "abc" to /sys/bus/pci/devices/0000:01:00.0/sriov_numvfs: Invalid argument (os error 22)
        writing "" to /sys/bus/pci/devices/0000:01:00.0/sriov_numvfs: Invalid argument (os error 22)
        writing "3 " to /sys/bus/pci/devices/0000:01:00.0/sriov_numvfs: Invalid argument (os error 22)"#]].assert_eq(&answers.join("\n"));
}
