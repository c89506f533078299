//! `driver_binding` of a display with its audio function, and of virtual functions.

use expect_test::{Expect, expect};
use hoststate_testkit::pci::SysfsDevice;
use hoststate_testkit::sim::SimHost;
use hoststate_testkit::tree::Tree;

use crate::run;

const RULES: &str = "/etc/udev/rules.d/70-hoststate-driver.rules";

fn host(group: Option<u32>) -> SimHost {
    let tree = Tree::new(&[("/proc/cmdline", "quiet\n"), ("/proc/cpuinfo", "vendor_id\t: GenuineIntel\n")]);
    let put = |device: SysfsDevice| match group {
        Some(group) => device.group(group).write(&tree),
        None => device.write(&tree),
    };
    put(SysfsDevice::new("0000:00:01.0", 0x8086, 0x1901, 0x06_0400).driver("pcieport"));
    put(SysfsDevice::new("0000:01:00.0", 0x10de, 0x0ffc, 0x03_0000).driver("nouveau"));
    put(SysfsDevice::new("0000:01:00.1", 0x10de, 0x0e1b, 0x04_0300));
    SimHost::new(tree)
        .native("10de:0ffc", "nouveau")
        .native("10de:0e1b", "snd_hda_intel")
        .native("8086:10c9", "igb")
        .native("8086:10ca", "igbvf")
}

fn declared(fields: &str) -> String {
    format!(r#"{{"type":"driver_binding",{fields}}}"#)
}

fn check(host: &SimHost, fields: &str, expect: Expect) {
    expect.assert_eq(&run::plan(host, &declared(fields)));
}

fn converge(host: &SimHost, fields: &str, expect: Expect) {
    expect.assert_eq(&run::converge(host, &declared(fields)));
}

#[test]
fn a_bound_device_moves_now_and_at_every_boot() {
    let host = host(Some(1));
    converge(
        &host,
        r#""device":"01:00.0","driver":"vfio_pci""#,
        expect![[r#"
        round 1
          write /etc/udev/rules.d/70-hoststate-driver.rules
          run modprobe vfio-pci
          write "vfio-pci" to /sys/bus/pci/devices/0000:01:00.0/driver_override
          write "0000:01:00.0" to /sys/bus/pci/devices/0000:01:00.0/driver/unbind
          write "0000:01:00.0" to /sys/bus/pci/drivers_probe
        left: nothing to do"#]],
    );
    expect![[r##"
        # hoststate: driver_binding 0000:01:00.0
        ACTION=="add", SUBSYSTEM=="pci", KERNEL=="0000:01:00.0", ATTR{modalias}=="pci:v000010DEd00000FFCsv00001AF4sd00001100*", ATTR{driver_override}="vfio-pci", RUN{builtin}+="kmod load vfio-pci", RUN+="/usr/bin/hoststate boot-device 0000:01:00.0 driver=vfio-pci"
    "##]].assert_eq(&host.tree().read(RULES).unwrap());
    host.reboot();
    check(&host, r#""device":"01:00.0","driver":"vfio-pci""#, expect!["nothing to do"]);
    check(
        &host,
        r#""device":"01:00.1","driver":"snd-hda-intel""#,
        expect![[r#"
        /etc/udev/rules.d/70-hoststate-driver.rules: 0000:01:00.1: - to driver_override=snd_hda_intel (none)
          write /etc/udev/rules.d/70-hoststate-driver.rules
        /sys/bus/pci/devices/0000:01:00.1/driver_override: - to snd_hda_intel (none)
          write "snd_hda_intel" to /sys/bus/pci/devices/0000:01:00.1/driver_override"#]],
    );
}

#[test]
fn a_registered_driver_is_not_loaded_again() {
    let host = host(Some(1));
    hoststate_testkit::pci::register_driver(host.tree(), "vfio-pci");
    check(
        &host,
        r#""device":"01:00.1","driver":"vfio-pci""#,
        expect![[r#"
        /etc/udev/rules.d/70-hoststate-driver.rules: 0000:01:00.1: - to driver_override=vfio-pci (none)
          write /etc/udev/rules.d/70-hoststate-driver.rules
        /sys/bus/pci/devices/0000:01:00.1/driver_override: - to vfio-pci (none)
          write "vfio-pci" to /sys/bus/pci/devices/0000:01:00.1/driver_override
        /sys/bus/pci/devices/0000:01:00.1/driver: - to vfio-pci (device)
          write "0000:01:00.1" to /sys/bus/pci/drivers_probe"#]],
    );
}

#[test]
fn a_virtual_function_is_bound_as_soon_as_it_is_there() {
    let host = host(Some(1));
    SysfsDevice::igb("0000:02:00.0").write(host.tree());
    let playbook = format!(
        r#"{{"type":"sriov_numvfs","device":"02:00.0","numvfs":2,"autoprobe":false}},{}"#,
        declared(r#""device":"02:10.2","driver":"vfio-pci""#)
    );
    expect![[r#"
        /etc/udev/rules.d/70-hoststate-sriov.rules: 0000:02:00.0: - to sriov_drivers_autoprobe=0, sriov_numvfs=2 (none)
          write /etc/udev/rules.d/70-hoststate-sriov.rules
        /sys/bus/pci/devices/0000:02:00.0/sriov_drivers_autoprobe: 1 to 0 (none)
          write "0" to /sys/bus/pci/devices/0000:02:00.0/sriov_drivers_autoprobe
        /sys/bus/pci/devices/0000:02:00.0/sriov_numvfs: 0 to 2 (device)
          write "2" to /sys/bus/pci/devices/0000:02:00.0/sriov_numvfs
        /etc/udev/rules.d/70-hoststate-driver.rules: 0000:02:10.2: - to driver_override=vfio-pci (none)
          write /etc/udev/rules.d/70-hoststate-driver.rules
        deferred: there is no PCI device at 0000:02:10.2"#]].assert_eq(&run::plan(&host, &playbook));
    expect![[r#"
        round 1
          write /etc/udev/rules.d/70-hoststate-sriov.rules
          write "0" to /sys/bus/pci/devices/0000:02:00.0/sriov_drivers_autoprobe
          write "2" to /sys/bus/pci/devices/0000:02:00.0/sriov_numvfs
          write /etc/udev/rules.d/70-hoststate-driver.rules
        round 2
          run modprobe vfio-pci
          write "vfio-pci" to /sys/bus/pci/devices/0000:02:10.2/driver_override
          write "0000:02:10.2" to /sys/bus/pci/drivers_probe
        left: nothing to do"#]]
    .assert_eq(&run::converge(&host, &playbook));
    host.reboot();
    expect!["nothing to do"].assert_eq(&run::plan(&host, &playbook));
}

#[test]
fn without_an_iommu_group_the_plan_says_what_is_missing() {
    let host = host(None);
    let fields = r#""device":"01:00.0","driver":"vfio-pci""#;
    check(
        &host,
        fields,
        expect![[r#"
            /etc/udev/rules.d/70-hoststate-driver.rules: 0000:01:00.0: - to driver_override=vfio-pci (none)
              write /etc/udev/rules.d/70-hoststate-driver.rules
            blocked: /sys/bus/pci/devices/0000:01:00.0/driver: the IOMMU is off, and vfio-pci needs it. Declare kernel_cmdline { present = { "intel_iommu=on" } }, or iommu {}"#]],
    );
    host.tree().write("/etc/words", "quiet intel_iommu=on\n");
    check(
        &host,
        fields,
        expect![[r#"
            /etc/udev/rules.d/70-hoststate-driver.rules: 0000:01:00.0: - to driver_override=vfio-pci (none)
              write /etc/udev/rules.d/70-hoststate-driver.rules
            /sys/bus/pci/devices/0000:01:00.0/driver: nouveau to vfio-pci (reboot)
              reboot"#]],
    );
    host.tree().write("/proc/cmdline", "quiet intel_iommu=on\n");
    check(
        &host,
        fields,
        expect![[r#"
            /etc/udev/rules.d/70-hoststate-driver.rules: 0000:01:00.0: - to driver_override=vfio-pci (none)
              write /etc/udev/rules.d/70-hoststate-driver.rules
            blocked: /sys/bus/pci/devices/0000:01:00.0/driver: the IOMMU is off: the command line allows it, and nothing that can be read says why. Turn on VT-d (Intel) or AMD-Vi, also called IOMMU, in the firmware's setup; `dmesg | grep -e DMAR -e AMD-Vi` has what the kernel says"#]],
    );
    host.tree().write("/proc/cmdline", "quiet iommu=off\n");
    host.tree().write("/etc/words", "quiet iommu=off\n");
    check(
        &host,
        fields,
        expect![[r#"
        /etc/udev/rules.d/70-hoststate-driver.rules: 0000:01:00.0: - to driver_override=vfio-pci (none)
          write /etc/udev/rules.d/70-hoststate-driver.rules
        blocked: /sys/bus/pci/devices/0000:01:00.0/driver: the IOMMU is off: the kernel was booted with iommu=off. Declare kernel_cmdline { absent = { "iommu=off" } }"#]],
    );
}

#[test]
fn the_iommu_of_intel_is_turned_on_by_any_value_that_begins_with_on() {
    let host = host(None);
    let plan = || run::plan(&host, &declared(r#""device":"01:00.0","driver":"vfio-pci""#));
    for parameters in ["intel_iommu=on,sm_on", "intel_iommu=igfx_off,on", "intel_iommu=off intel_iommu=on"] {
        host.tree().write("/proc/cmdline", "quiet\n");
        host.tree().write("/etc/words", format!("quiet {parameters}\n"));
        assert!(plan().contains("nouveau to vfio-pci (reboot)"), "{parameters}: {}", plan());
        host.tree().write("/proc/cmdline", format!("quiet {parameters}\n"));
        assert!(plan().contains("the command line allows it"), "{parameters}: {}", plan());
        // What turned it off is gone from the next line, or another value undoes it there.
        host.tree().write("/proc/cmdline", "quiet intel_iommu=off\n");
        assert!(plan().contains("nouveau to vfio-pci (reboot)"), "{parameters}: {}", plan());
    }
    host.tree().write("/proc/cmdline", "quiet\n");
    for parameters in ["intel_iommu=on intel_iommu=off", "intel_iommu=on iommu=off", "intel_iommu=sm_on"] {
        host.tree().write("/etc/words", format!("quiet {parameters}\n"));
        assert!(plan().contains("the IOMMU is off, and vfio-pci needs it"), "{parameters}: {}", plan());
    }
}

#[test]
fn what_cannot_be_is_refused_with_a_way_out() {
    let host = host(Some(1));
    check(
        &host,
        r#""device":"00:01.0","driver":"vfio-pci""#,
        expect![[r#"
            error: driver_binding "0000:00:01.0": 0000:00:01.0 is a bridge, and vfio-pci does not take bridges
            hint: A guest gets the devices behind a bridge; the bridge stays with the host."#]],
    );
    check(
        &host,
        r#""device":{"interface":"eth0"},"driver":"vfio-pci""#,
        expect![[r#"
        error: driver_binding: a device bound to vfio-pci has no network interface, so it could not be found again by interface eth0
        hint: Select it by address, ids, serial or slot."#]],
    );
    check(
        &host,
        r#""device":"01:00.0","driver":"vfio pci""#,
        expect![[r#"
            error: driver_binding: `driver`: "vfio pci" is not the name of a driver, such as "vfio-pci"
            hint: Write it like `"driver": "vfio-pci"`. The driver, such as `vfio-pci`."#]],
    );
    host.tree().remove("/sys/bus/pci/devices/0000:01:00.0/driver_override");
    check(
        &host,
        r#""device":"01:00.0","driver":"vfio-pci""#,
        expect![[r#"
        error: driver_binding "0000:01:00.0": 0000:01:00.0 has no driver_override, so it cannot be given to one driver
        hint: It exists since Linux 3.16; boot a newer kernel."#]],
    );
}

#[test]
fn an_image_gets_the_rules_only() {
    let host = SimHost::new(Tree::new(&[("/etc/hostname", "image\n")]));
    check(
        &host,
        r#""device":"01:00.0","driver":"vfio_pci""#,
        expect![[r#"
        /etc/udev/rules.d/70-hoststate-driver.rules: 0000:01:00.0: - to driver_override=vfio-pci (none)
          write /etc/udev/rules.d/70-hoststate-driver.rules"#]],
    );
}

#[test]
fn a_cut_after_any_step_is_healed_by_the_next_run() {
    let playbook = declared(r#""device":"01:00.0","driver":"vfio-pci""#);
    for n in 0..6 {
        let host = host(Some(1)).cut_after(n);
        drop(run::converge(&host, &playbook));
        host.mend();
        drop(run::converge(&host, &playbook));
        assert_eq!(run::plan(&host, &playbook), "nothing to do", "cut after {n}");
    }
}

#[test]
fn a_virtual_function_that_is_made_anew_is_bound_after_that() {
    let host = host(Some(1));
    SysfsDevice::igb("0000:03:00.0").group(3).write(host.tree());
    let playbook = |count: u8| {
        let binding = declared(r#""device":"03:10.0","driver":"vfio-pci""#);
        let functions = format!(r#"{{"type":"sriov_numvfs","device":"03:00.0","numvfs":{count}}}"#);
        format!("{binding},{functions}")
    };
    run::converge(&host, r#"{"type":"sriov_numvfs","device":"03:00.0","numvfs":2}"#);
    expect![[r#"
        round 1
          write /etc/udev/rules.d/70-hoststate-driver.rules
          write /etc/udev/rules.d/70-hoststate-sriov.rules
          write "0" to /sys/bus/pci/devices/0000:03:00.0/sriov_numvfs
          write "3" to /sys/bus/pci/devices/0000:03:00.0/sriov_numvfs
        left: nothing to do"#]]
    .assert_eq(&run::converge(&host, &playbook(3)));
}
