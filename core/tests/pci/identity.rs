//! Boot rules know the card they are for: what else sits at the address is left alone.

use hoststate_testkit::pci::SysfsDevice;
use hoststate_testkit::sim::SimHost;
use hoststate_testkit::tree::Tree;

use crate::run;

const DRIVER: &str = "/etc/udev/rules.d/70-hoststate-driver.rules";
const SRIOV: &str = "/etc/udev/rules.d/70-hoststate-sriov.rules";

fn gpu(address: &str) -> SysfsDevice {
    SysfsDevice::new(address, 0x10de, 0x0ffc, 0x03_0000).group(1)
}

fn nvme(address: &str) -> SysfsDevice {
    SysfsDevice::new(address, 0x144d, 0xa80a, 0x01_0802).group(2).driver("nvme")
}

fn sim(tree: Tree) -> SimHost {
    SimHost::new(tree)
        .native("10de:0ffc", "nouveau")
        .native("144d:a80a", "nvme")
        .native("8086:10c9", "igb")
        .native("8086:10ca", "igbvf")
}

fn binding(device: &str) -> String {
    format!(r#"{{"type":"driver_binding","device":{device},"driver":"vfio-pci"}}"#)
}

fn functions(device: &str) -> String {
    format!(r#"{{"type":"sriov_numvfs","device":{device},"numvfs":2}}"#)
}

/// The text of a rules file after a converge.
fn rules(tree: Tree, file: &str, declared: &str) -> String {
    let host = sim(tree);
    run::converge(&host, declared);
    host.tree().read(file).unwrap_or_default()
}

fn driver(host: &SimHost, address: &str) -> Option<String> {
    let link = format!("/sys/bus/pci/devices/{address}/driver");
    let target = host.tree().view().link_target(link.as_ref()).expect("a readable link");
    target.and_then(|it| Some(it.file_name()?.to_str()?.to_owned()))
}

#[test]
fn a_rule_compares_ids_and_the_bridges_above_and_its_comment_keeps_the_numbers() {
    let tree = Tree::new(&[]);
    gpu("0000:01:00.0").behind("0000:00:1c.0").serial(0x0011_2233_4455_6677).write(&tree);
    expect_test::expect![[r##"
        # hoststate: driver_binding 0000:01:00.0, serial 00-11-22-33-44-55-66-77, path 0000:00:1c.0/00.0
        ACTION=="add", SUBSYSTEM=="pci", KERNEL=="0000:01:00.0", ATTR{modalias}=="pci:v000010DEd00000FFCsv00001AF4sd00001100*", DEVPATH=="*/pci0000:00/0000:00:1c.0/0000:01:00.0", ATTR{driver_override}="vfio-pci", RUN{builtin}+="kmod load vfio-pci", RUN+="/usr/bin/hoststate boot-device 0000:01:00.0 driver=vfio-pci serial=00-11-22-33-44-55-66-77"
    "##]]
    .assert_eq(&rules(tree, DRIVER, &binding(r#""01:00.0""#)));
    let tree = Tree::new(&[]);
    SysfsDevice::igb("0000:02:00.0").interface("ens2", "52:54:00:12:34:01").write(&tree);
    expect_test::expect![[r##"
        # hoststate: sriov_numvfs 0000:02:00.0, mac 52:54:00:12:34:01, by interface ens2
        ACTION=="add|bind", SUBSYSTEM=="pci|net", KERNELS=="0000:02:00.0", ATTRS{modalias}=="pci:v00008086d000010C9sv00001AF4sd00001100*", DRIVERS=="?*", RUN+="/usr/bin/hoststate boot-device 0000:02:00.0 numvfs=2 mac=52:54:00:12:34:01"
    "##]]
    .assert_eq(&rules(tree, SRIOV, &functions(r#"{"interface":"ens2"}"#)));
}

#[test]
fn what_sits_at_the_address_of_a_card_that_moved_keeps_its_driver_at_boot() {
    let tree = Tree::new(&[]);
    gpu("0000:01:00.0").write(&tree);
    let host = sim(tree);
    run::converge(&host, &binding(r#""01:00.0""#));
    assert_eq!(driver(&host, "0000:01:00.0").as_deref(), Some("vfio-pci"));
    // A drive is put in, and the firmware numbers anew.
    host.tree().remove("/sys/devices/pci0000:00/0000:01:00.0");
    nvme("0000:01:00.0").write(host.tree());
    gpu("0000:02:00.0").write(host.tree());
    host.reboot();
    assert_eq!(driver(&host, "0000:01:00.0").as_deref(), Some("nvme"));
    assert_eq!(driver(&host, "0000:02:00.0").as_deref(), Some("nouveau"));
}

#[test]
fn no_functions_are_made_of_what_sits_at_the_address_of_another_card() {
    let tree = Tree::new(&[]);
    SysfsDevice::igb("0000:02:00.0").write(&tree);
    let host = sim(tree);
    run::converge(&host, &functions(r#""02:00.0""#));
    host.tree().write(
        "/sys/devices/pci0000:00/0000:02:00.0/modalias",
        "pci:v00008086d00001572sv00008086sd00000001bc02sc00i00\n",
    );
    host.reboot();
    assert!(!host.tree().view().is_dir("/sys/bus/pci/devices/0000:02:10.0".as_ref()).unwrap());
}

#[test]
fn a_rule_of_an_earlier_version_gets_to_know_its_card() {
    let tree = Tree::new(&[]);
    gpu("0000:01:00.0").write(&tree);
    let old = "# hoststate: driver_binding 0000:01:00.0\nACTION==\"add\", SUBSYSTEM==\"pci\", KERNEL==\"0000:01:00.0\", \
               ATTR{driver_override}=\"vfio-pci\", RUN{builtin}+=\"kmod load vfio-pci\"\n";
    tree.write(DRIVER, old);
    let host = sim(tree);
    let plan = run::plan(&host, &binding(r#""01:00.0""#));
    let told =
        "0000:01:00.0: driver_override=vfio-pci for any device to driver_override=vfio-pci for 10de:0ffc";
    assert!(plan.contains(told), "{plan}");
    run::converge(&host, &binding(r#""01:00.0""#));
    let text = host.tree().read(DRIVER).unwrap();
    assert_eq!(text.matches("# hoststate").count(), 1, "{text}");
    assert_eq!(text.lines().filter(|it| it.contains("pci:v000010DEd00000FFC")).count(), 1, "{text}");
    assert_eq!(text.lines().filter(|it| it.contains("ACTION")).count(), 1, "{text}");
}

#[test]
fn rules_in_the_form_of_the_version_before_are_replaced_and_nothing_else_is() {
    let tree = Tree::new(&[]);
    gpu("0000:01:00.0").serial(7).write(&tree);
    let who = "ATTR{vendor}==\"0x10de\", ATTR{device}==\"0x0ffc\", ATTR{subsystem_vendor}==\"0x1af4\", \
               ATTR{subsystem_device}==\"0x1100\"";
    let event = format!("ACTION==\"add\", SUBSYSTEM==\"pci\", KERNEL==\"0000:01:00.0\", {who}");
    let old = format!(
        "# hoststate: driver_binding 0000:01:00.0, serial 00-00-00-00-00-00-00-07\n{event}, \
         ATTR{{driver_override}}=\"vfio-pci\", RUN{{builtin}}+=\"kmod load vfio-pci\"\n{event}, RUN+=\"/bin/sh -c '\
         echo 0000:01:00.0 > /sys/bus/pci/devices/0000:01:00.0/driver/unbind; echo 0000:01:00.0 > \
         /sys/bus/pci/drivers_probe'\"\n"
    );
    tree.write(DRIVER, old);
    let host = sim(tree);
    // What is there does what it did.
    host.reboot();
    assert_eq!(driver(&host, "0000:01:00.0").as_deref(), Some("vfio-pci"));
    let plan = run::plan(&host, &binding(r#""01:00.0""#));
    let told =
        "driver_override=vfio-pci for 10de:0ffc, in another form to driver_override=vfio-pci for 10de:0ffc";
    assert!(plan.contains(told), "{plan}");
    run::converge(&host, &binding(r#""01:00.0""#));
    assert_eq!(run::plan(&host, &binding(r#""01:00.0""#)), "nothing to do");
    let text = host.tree().read(DRIVER).unwrap();
    assert!(text.contains("serial=00-00-00-00-00-00-00-07") && !text.contains("/bin/sh"), "{text}");
}

#[test]
fn a_twin_in_the_place_of_a_card_is_given_back_at_boot() {
    let tree = Tree::new(&[]);
    gpu("0000:01:00.0").serial(7).write(&tree);
    let host = sim(tree);
    run::converge(&host, &binding(r#""01:00.0""#));
    gpu("0000:01:00.0").serial(8).write(host.tree());
    host.reboot();
    assert_eq!(driver(&host, "0000:01:00.0").as_deref(), Some("nouveau"));
}

#[test]
fn rules_for_another_address_of_the_same_card_are_replaced() {
    let by_serial = r#"{"serial":"00-00-00-00-00-00-00-07"}"#;
    let by_ids = r#"{"vendor":"10de","device":"0ffc"}"#;
    for (before, after) in [(r#""01:00.0""#, r#""02:00.0""#), (by_serial, by_serial), (by_ids, by_ids)] {
        let tree = Tree::new(&[]);
        gpu("0000:01:00.0").serial(7).write(&tree);
        // One of somebody else stays.
        tree.write(
            DRIVER,
            "# hoststate: driver_binding 0000:09:00.0\nKERNEL==\"0000:09:00.0\", ATTR{x}=\"1\"\n",
        );
        let host = sim(tree);
        run::converge(&host, &binding(before));
        host.tree().remove("/sys/devices/pci0000:00/0000:01:00.0");
        host.tree().remove("/sys/bus/pci/devices/0000:01:00.0");
        gpu("0000:02:00.0").serial(7).write(host.tree());
        let plan = run::plan(&host, &binding(after));
        assert!(plan.contains("0000:02:00.0: rules for 0000:01:00.0 to driver_override=vfio-pci"), "{plan}");
        run::converge(&host, &binding(after));
        let text = host.tree().read(DRIVER).unwrap();
        assert!(!text.contains("0000:01:00.0") && text.contains("0000:02:00.0"), "{text}");
        assert!(text.contains("0000:09:00.0"), "{text}");
    }
}

#[test]
fn rules_of_a_twin_stay() {
    let tree = Tree::new(&[]);
    gpu("0000:01:00.0").serial(7).write(&tree);
    gpu("0000:02:00.0").serial(8).write(&tree);
    let both = format!("{},{}", binding(r#""01:00.0""#), binding(r#""02:00.0""#));
    let text = rules(tree, DRIVER, &both);
    assert_eq!(text.matches("# hoststate: driver_binding").count(), 2, "{text}");
}

/// A binding of the first virtual function of a card, which the same playbook or somebody else makes.
const FIRST: &str = r#"{"type":"driver_binding","device":"02:10.0","driver":"vfio-pci"}"#;

fn port(address: &str, serial: u64) -> SysfsDevice {
    SysfsDevice::igb(address).serial(serial)
}

/// A host where somebody else's rule makes two functions of every port.
fn with_functions(ports: &[SysfsDevice]) -> SimHost {
    let tree = Tree::new(&[(
        "/etc/udev/rules.d/60-mine.rules",
        "ACTION==\"add|bind\", SUBSYSTEM==\"pci\", ATTR{device}==\"0x10c9\", ATTR{sriov_numvfs}=\"2\"\n",
    )]);
    ports.iter().for_each(|it| it.write(&tree));
    let host = sim(tree);
    host.reboot();
    host
}

/// Takes a port out, with its functions.
fn take_out(host: &SimHost, bus: &str) {
    for function in ["00.0", "10.0", "10.2"] {
        host.tree().remove(format!("/sys/devices/pci0000:00/0000:{bus}:{function}"));
        host.tree().remove(format!("/sys/bus/pci/devices/0000:{bus}:{function}"));
    }
}

#[test]
fn a_rule_of_a_virtual_function_knows_which_one_of_which_card_before_it_is_there_and_after() {
    let tree = Tree::new(&[]);
    port("0000:02:00.0", 7).write(&tree);
    let host = sim(tree);
    let both = format!("{},{FIRST}", functions(r#""02:00.0""#));
    run::converge(&host, &both);
    expect_test::expect![[r##"
        # hoststate: driver_binding 0000:02:10.0, virtfn 0 of 8086:10c9:1af4:1100, serial 00-00-00-00-00-00-00-07, path 0000:02:00.0
        ACTION=="add", SUBSYSTEM=="pci", KERNEL=="0000:02:10.0", ATTR{modalias}=="pci:v00008086d000010CA*", ATTR{driver_override}="vfio-pci", RUN{builtin}+="kmod load vfio-pci", RUN+="/usr/bin/hoststate boot-device 0000:02:10.0 driver=vfio-pci virtfn=0 serial=00-00-00-00-00-00-00-07"
    "##]]
    .assert_eq(&host.tree().read(DRIVER).unwrap_or_default());
    assert_eq!(run::plan(&host, &both), "nothing to do");
    // The rule of an earlier version tells no card, and is replaced.
    let text = host.tree().read(DRIVER).unwrap();
    let old = text
        .replace(", virtfn 0 of 8086:10c9:1af4:1100, serial 00-00-00-00-00-00-00-07, path 0000:02:00.0", "");
    let old = old.replace(" virtfn=0 serial=00-00-00-00-00-00-00-07", "");
    assert!(!old.contains("virtfn"), "{old}");
    host.tree().write(DRIVER, old);
    let plan = run::plan(&host, &both);
    assert!(
        plan.contains("write /etc/udev/rules.d/70-hoststate-driver.rules") && !plan.contains("refused"),
        "{plan}"
    );
    run::converge(&host, &both);
    assert_eq!(host.tree().read(DRIVER).unwrap(), text);
}

#[test]
fn a_virtual_function_of_a_twin_of_its_card_keeps_its_driver_at_boot() {
    let host = with_functions(&[port("0000:02:00.0", 7)]);
    run::converge(&host, FIRST);
    host.reboot();
    assert_eq!(driver(&host, "0000:02:10.0").as_deref(), Some("vfio-pci"));
    take_out(&host, "02");
    port("0000:02:00.0", 8).write(host.tree());
    host.reboot();
    assert_eq!(driver(&host, "0000:02:10.0").as_deref(), Some("igbvf"));
}

#[test]
fn a_virtual_function_whose_card_was_numbered_anew_is_told_and_what_sits_there_is_left_alone() {
    let host = with_functions(&[port("0000:02:00.0", 7), port("0000:03:00.0", 8)]);
    run::converge(&host, FIRST);
    let before = host.tree().read(DRIVER).unwrap();
    for bus in ["02", "03"] {
        take_out(&host, bus);
    }
    port("0000:02:00.0", 8).write(host.tree());
    port("0000:04:00.0", 7).write(host.tree());
    host.reboot();
    assert_eq!(driver(&host, "0000:02:10.0").as_deref(), Some("igbvf"));
    let plan = run::plan(&host, FIRST);
    let expected = "refused: 0000:02:10.0 was virtual function 0 of Intel 8086:10c9 00-00-00-00-00-00-00-07, is virtual \
                    function 0 of another, 00-00-00-00-00-00-00-08; it moved to 0000:04:10.0";
    assert_eq!(plan, expected);
    run::converge(&host, FIRST);
    assert_eq!(host.tree().read(DRIVER).unwrap(), before);
    assert_eq!(driver(&host, "0000:02:10.0").as_deref(), Some("igbvf"));
    // Declared where it is now, its rule follows it.
    let moved = FIRST.replace("02:10.0", "04:10.0");
    let plan = run::plan(&host, &moved);
    assert!(plan.contains("0000:04:10.0: rules for 0000:02:10.0 to driver_override=vfio-pci"), "{plan}");
    run::converge(&host, &moved);
    host.reboot();
    assert_eq!(driver(&host, "0000:04:10.0").as_deref(), Some("vfio-pci"));
    assert!(!host.tree().read(DRIVER).unwrap().contains("0000:02:10.0"));
}

#[test]
fn a_virtual_function_to_come_of_another_card_is_left_alone_with_its_rule() {
    let host = with_functions(&[port("0000:02:00.0", 7)]);
    run::converge(&host, FIRST);
    let before = host.tree().read(DRIVER).unwrap();
    take_out(&host, "02");
    // Nobody made any yet.
    port("0000:02:00.0", 8).write(host.tree());
    port("0000:04:00.0", 7).write(host.tree());
    let both = format!("{},{FIRST}", functions(r#""02:00.0""#));
    let plan = run::plan(&host, &both);
    assert!(plan.contains("refused: 0000:02:10.0 was virtual function 0 of Intel 8086:10c9"), "{plan}");
    assert!(!plan.contains("70-hoststate-driver.rules"), "{plan}");
    run::converge(&host, &both);
    assert_eq!(host.tree().read(DRIVER).unwrap(), before);
    // A new card of the same kind in its place is most likely meant.
    take_out(&host, "04");
    run::converge(&host, &both);
    assert!(host.tree().read(DRIVER).unwrap().contains("virtfn=0 serial=00-00-00-00-00-00-00-08"));
    assert_eq!(driver(&host, "0000:02:10.0").as_deref(), Some("vfio-pci"));
}

#[test]
fn another_virtual_function_of_the_same_card_at_the_address_is_told() {
    let host = with_functions(&[port("0000:02:00.0", 7)]);
    run::converge(&host, FIRST);
    take_out(&host, "02");
    let before = hoststate_testkit::pci::SysfsSriov { total: 7, offset: 126, stride: 2, device: 0x10ca };
    port("0000:02:00.0", 7).sriov(before).write(host.tree());
    host.reboot();
    assert_eq!(driver(&host, "0000:02:10.0").as_deref(), Some("igbvf"));
    let plan = run::plan(&host, FIRST);
    assert!(
        plan.contains(
            "refused: 0000:02:10.0 was virtual function 0 of Intel 8086:10c9 00-00-00-00-00-00-00-07, is \
             virtual function 1 of it; it moved to 0000:02:0f.6"
        ),
        "{plan}"
    );
}

#[test]
fn a_virtual_function_that_is_gone_with_its_card_is_named_where_it_is() {
    let host = with_functions(&[port("0000:02:00.0", 7)]);
    run::converge(&host, FIRST);
    take_out(&host, "02");
    port("0000:05:00.0", 7).write(host.tree());
    host.reboot();
    let plan = run::plan(&host, FIRST);
    assert!(plan.contains("the virtual function moved to 0000:05:10.0: declare it there"), "{plan}");
}
