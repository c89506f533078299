//! Devices that are not there: those that a declaration makes, and those that nobody does.

use hoststate_testkit::pci::SysfsDevice;
use hoststate_testkit::sim::SimHost;
use hoststate_testkit::tree::Tree;

use crate::run;

fn tree() -> Tree {
    let tree = Tree::new(&[]);
    SysfsDevice::new("0000:01:00.0", 0x10de, 0x0ffc, 0x03_0000).driver("nouveau").group(1).write(&tree);
    SysfsDevice::igb("0000:02:00.0").interface("ens2", "52:54:00:12:34:01").write(&tree);
    SysfsDevice::new("0000:05:00.0", 0x144d, 0xa808, 0x01_0802).driver("nvme").write(&tree);
    tree
}

fn host(tree: Tree) -> SimHost {
    SimHost::new(tree).native("8086:10c9", "igb").native("8086:10ca", "igbvf")
}

fn binding(device: &str) -> String {
    format!(r#"{{"type":"driver_binding","device":"{device}","driver":"vfio-pci"}}"#)
}

fn functions(device: &str, count: u16) -> String {
    format!(r#"{{"type":"sriov_numvfs","device":{device},"numvfs":{count}}}"#)
}

/// Returns the lines about what is not there.
fn told(host: &SimHost, declared: &[String]) -> Vec<String> {
    let plan = run::plan(host, &declared.join(","));
    let is_told =
        |it: &&str| it.starts_with("blocked:") || it.starts_with("deferred:") || it.starts_with("error:");
    plan.lines().filter(is_told).map(str::to_owned).collect()
}

#[test]
fn a_device_that_nothing_makes_is_told_with_what_is_near() {
    let makes_two = functions(r#""02:00.0""#, 2);
    let by_interface = functions(r#"{"interface":"ens2"}"#, 2);
    let near_end = "nearest: 0000:05:00.0 144d:a808 nvme nvme, 0000:02:00.0 8086:10c9 network igb ens2, \
                    0000:01:00.0 10de:0ffc display nouveau";
    let blocked = |address: &str, why: &str| {
        vec![format!("blocked: /sys/bus/pci/devices/{address}: there is no PCI device at {address}; {why}")]
    };
    let cases = [
        ("a bus that is not there", vec![binding("09:00.0")], blocked("0000:09:00.0", near_end)),
        (
            "function 1 of a card that has one",
            vec![binding("01:00.1")],
            blocked(
                "0000:01:00.1",
                "nearest: 0000:01:00.0 10de:0ffc display nouveau, 0000:02:00.0 8086:10c9 network igb ens2, \
                 0000:05:00.0 144d:a808 nvme nvme",
            ),
        ),
        (
            "the same place in another domain",
            vec![binding("0001:01:00.0")],
            blocked(
                "0001:01:00.0",
                "nearest: 0000:01:00.0 10de:0ffc display nouveau, 0000:02:00.0 8086:10c9 network igb ens2, \
                 0000:05:00.0 144d:a808 nvme nvme",
            ),
        ),
        ("a physical function", vec![functions(r#""0f:00.0""#, 4)], blocked("0000:0f:00.0", near_end)),
        (
            "a virtual function that nobody declares",
            vec![binding("02:10.2")],
            blocked(
                "0000:02:10.2",
                "it would be virtual function 1 of 0000:02:00.0: declare sriov_numvfs of 0000:02:00.0 with `numvfs` 2 \
                 or more; nearest: 0000:02:00.0 8086:10c9 network igb ens2, 0000:01:00.0 10de:0ffc display nouveau, \
                 0000:05:00.0 144d:a808 nvme nvme",
            ),
        ),
        (
            "a virtual function beyond the number",
            vec![makes_two.clone(), binding("02:10.4")],
            blocked(
                "0000:02:10.4",
                "it would be virtual function 2 of 0000:02:00.0, and sriov_numvfs \"0000:02:00.0\" makes 2: set its \
                 `numvfs` to 3 or more; nearest: 0000:02:00.0 8086:10c9 network igb ens2, 0000:01:00.0 10de:0ffc \
                 display nouveau, 0000:05:00.0 144d:a808 nvme nvme",
            ),
        ),
        (
            "what is between two virtual functions",
            vec![makes_two.clone(), binding("02:10.1")],
            blocked(
                "0000:02:10.1",
                "nearest: 0000:02:00.0 8086:10c9 network igb ens2, 0000:01:00.0 10de:0ffc display nouveau, \
                 0000:05:00.0 144d:a808 nvme nvme",
            ),
        ),
        (
            "a virtual function in another domain",
            vec![makes_two.clone(), binding("0001:02:10.0")],
            blocked(
                "0001:02:10.0",
                "nearest: 0000:02:00.0 8086:10c9 network igb ens2, 0000:01:00.0 10de:0ffc display nouveau, \
                 0000:05:00.0 144d:a808 nvme nvme",
            ),
        ),
        (
            "a virtual function that is made",
            vec![makes_two, binding("02:10.2")],
            vec!["deferred: there is no PCI device at 0000:02:10.2".to_owned()],
        ),
        (
            "one whose maker is declared after it, by its interface",
            vec![binding("02:10.0"), by_interface],
            vec!["deferred: there is no PCI device at 0000:02:10.0".to_owned()],
        ),
    ];
    for (what, declared, expected) in cases {
        assert_eq!(told(&host(tree()), &declared), expected, "{what}");
    }
}

#[test]
fn all_missing_devices_are_told_and_the_others_are_judged() {
    let host = host(tree());
    let gone_by_trait = r#"{"type":"driver_binding","device":{"vendor":"1002"},"driver":"vfio-pci"}"#;
    let declared = [
        binding("09:00.0"),
        functions(r#""02:00.0""#, 2),
        gone_by_trait.to_owned(),
        functions(r#""0f:00.0""#, 1),
    ];
    let plan = run::plan(&host, &declared.join(","));
    for it in [
        "there is no PCI device at 0000:09:00.0",
        "no PCI device has vendor 1002",
        "there is no PCI device at 0000:0f:00.0",
        "/sys/bus/pci/devices/0000:02:00.0/sriov_numvfs: 0 to 2",
    ] {
        assert!(plan.contains(it), "{it} in {plan}");
    }
    assert!(!plan.contains("KERNEL==\"0000:09"), "{plan}");
}

#[test]
fn a_kernel_that_does_not_show_where_functions_begin_lets_the_bus_count() {
    let old = tree();
    for name in ["sriov_offset", "sriov_stride"] {
        old.remove(format!("/sys/bus/pci/devices/0000:02:00.0/{name}"));
    }
    let host = host(old);
    let makes = functions(r#""02:00.0""#, 2);
    assert_eq!(
        told(&host, &[makes.clone(), binding("02:10.3")]),
        [
            "deferred: there is no PCI device at 0000:02:10.3, and whether sriov_numvfs \"0000:02:00.0\" makes it is not \
          known: this kernel does not show where the virtual functions of 0000:02:00.0 begin"
        ]
    );
    assert_eq!(told(&host, &[makes, binding("04:10.3")]).len(), 1);
    assert!(told(&host, &[functions(r#""02:00.0""#, 0), binding("02:10.3")])[0].starts_with("blocked:"));
}

#[test]
fn a_function_that_a_lower_number_removes_is_missing() {
    let host = host(tree());
    run::converge(&host, &functions(r#""02:00.0""#, 4));
    assert_eq!(told(&host, &[functions(r#""02:00.0""#, 4), binding("02:10.6")]), [""; 0]);
    assert_eq!(
        told(&host, &[functions(r#""02:00.0""#, 2), binding("02:10.6")]),
        [
            "blocked: /sys/bus/pci/devices/0000:02:10.6: 0000:02:10.6 is removed by sriov_numvfs \"0000:02:00.0\", which \
          keeps 2 functions"
        ]
    );
}

#[test]
fn nothing_is_missing_in_an_image() {
    let image = SimHost::new(Tree::new(&[("/etc/hostname", "image\n")]));
    assert_eq!(told(&image, &[binding("09:00.0"), functions(r#""0f:00.0""#, 4)]), [""; 0]);
}
