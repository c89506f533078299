//! What a boot rule has hoststate do with a device, and what it leaves alone.

use hoststate_core::formats::udev_rules::boot_command::BootCommand;
use hoststate_core::run::boot_device::carry_out;
use hoststate_testkit::pci::{SysfsDevice, register_driver};
use hoststate_testkit::sim::SimHost;
use hoststate_testkit::tree::Tree;

const CARD: &str = "0000:01:00.0";

fn host(device: SysfsDevice) -> SimHost {
    let tree = Tree::new(&[]);
    device.write(&tree);
    register_driver(&tree, "vfio-pci");
    SimHost::new(tree).native("10de:0ffc", "nouveau").native("8086:10c9", "igb").native("8086:10ca", "igbvf")
}

fn gpu() -> SysfsDevice {
    SysfsDevice::new(CARD, 0x10de, 0x0ffc, 0x03_0000).group(1).serial(7).driver("nouveau")
}

/// Returns what is told, what is written, and the driver afterwards.
fn done(host: &SimHost, words: &str) -> (Option<String>, Vec<String>, Option<String>) {
    let before = host.performed().len();
    let command = BootCommand::parse(words.split(' ')).expect("a command");
    let told = carry_out(&command, host).expect("a readable device");
    let steps = host.performed()[before..].iter().map(ToString::to_string).collect();
    (told, steps, driver(host))
}

fn driver(host: &SimHost) -> Option<String> {
    let link = format!("/sys/bus/pci/devices/{CARD}/driver");
    let target = host.tree().view().link_target(link.as_ref()).expect("a readable link");
    target.and_then(|it| Some(it.file_name()?.to_str()?.to_owned()))
}

#[test]
fn a_device_leaves_its_driver_for_the_one_that_is_meant_and_a_second_event_changes_nothing() {
    let host = host(gpu());
    let words = "0000:01:00.0 driver=vfio-pci serial=00-00-00-00-00-00-00-07";
    let (told, steps, driver) = done(&host, words);
    assert_eq!((told, driver.as_deref()), (None, Some("vfio-pci")));
    assert_eq!(steps.len(), 3, "{steps:?}");
    assert_eq!(done(&host, words), (None, Vec::new(), Some("vfio-pci".to_owned())));
    // A device that is not there is nothing to speak of.
    assert_eq!(done(&host, "0000:09:00.0 driver=vfio-pci").0, None);
}

#[test]
fn a_twin_is_given_back_to_its_driver_also_where_the_image_bound_it() {
    let words = "0000:01:00.0 driver=vfio-pci serial=00-00-00-00-00-00-00-08";
    for had in ["nouveau", "vfio-pci"] {
        let host = host(gpu().driver(had));
        register_driver(host.tree(), "nouveau");
        host.tree().write(format!("/sys/bus/pci/devices/{CARD}/driver_override"), "vfio-pci\n");
        let (told, _, driver) = done(&host, words);
        let told = told.expect("a reason");
        assert!(told.contains("serial number 00-00-00-00-00-00-00-07"), "{told}");
        assert!(told.ends_with("it is on nouveau"), "{told}");
        assert_eq!(driver.as_deref(), Some("nouveau"));
        let left = host.tree().read(format!("/sys/bus/pci/devices/{CARD}/driver_override")).unwrap();
        assert!(!left.contains("vfio"), "{left}");
    }
}

#[test]
fn a_device_that_the_driver_does_not_take_goes_back_and_one_that_is_not_loaded_takes_nothing_away() {
    let refusing = host(gpu()).refused_by("vfio-pci");
    register_driver(refusing.tree(), "nouveau");
    let (told, _, driver) = done(&refusing, "0000:01:00.0 driver=vfio-pci");
    assert!(told.as_deref().is_some_and(|it| it.contains("vfio-pci does not take it")), "{told:?}");
    assert_eq!(driver.as_deref(), Some("nouveau"));

    let host = host(gpu());
    let (told, steps, driver) = done(&host, "0000:01:00.0 driver=pci-stub");
    assert_eq!(told.as_deref(), Some("pci-stub is not loaded: it is on nouveau"));
    assert_eq!(driver.as_deref(), Some("nouveau"));
    assert!(!steps.iter().any(|it| it.contains("unbind")), "{steps:?}");
}

#[test]
fn virtual_functions_are_made_once_and_of_the_card_that_is_meant() {
    let card = || SysfsDevice::igb(CARD).interface("ens1", "52:54:00:12:34:01");
    let count = |host: &SimHost| {
        host.tree().read(format!("/sys/bus/pci/devices/{CARD}/sriov_numvfs")).unwrap().trim().to_owned()
    };
    let words = "0000:01:00.0 numvfs=2 autoprobe=0 mac=52:54:00:12:34:01";
    let meant = host(card());
    assert_eq!((done(&meant, words).0, count(&meant).as_str()), (None, "2"));
    assert_eq!(done(&meant, words).1, Vec::<String>::new());
    // A guest may have one of them.
    let (told, steps, _) = done(&meant, &words.replace("numvfs=2", "numvfs=4"));
    assert_eq!(told.as_deref(), Some("it has 2 virtual functions already, so it does not get 4"));
    assert_eq!(steps, Vec::<String>::new());
    let other = host(card());
    let (told, steps, _) = done(&other, &words.replace("34:01", "34:02"));
    assert!(told.as_deref().is_some_and(|it| it.contains("hardware address 52:54:00:12:34:01")), "{told:?}");
    assert_eq!((steps, count(&other).as_str()), (Vec::new(), "0"));
    let bound = host(card().driver("vfio-pci"));
    assert!(
        done(&bound, "0000:01:00.0 numvfs=2").0.is_some_and(|it| it.contains("makes no virtual functions"))
    );
    // Its driver comes with a later event.
    let early = host(SysfsDevice::new(CARD, 0x8086, 0x10c9, 0x02_0000));
    assert_eq!(done(&early, "0000:01:00.0 numvfs=2").0, None);
}

/// A card with two virtual functions, whose driver a guest's shall be.
fn with_functions(serial: u64) -> (SimHost, &'static str) {
    let host = host(SysfsDevice::igb("0000:02:00.0").serial(serial));
    register_driver(host.tree(), "igbvf");
    let command = BootCommand::parse("0000:02:00.0 numvfs=2".split(' ')).expect("a command");
    assert_eq!(carry_out(&command, &host).expect("a readable device"), None);
    (host, "0000:02:10.2 driver=vfio-pci virtfn=1 serial=00-00-00-00-00-00-00-07")
}

#[test]
fn a_virtual_function_is_bound_where_it_is_the_one_that_is_meant_of_the_card_that_is_meant() {
    let bound = |host: &SimHost, words: &str| {
        let command = BootCommand::parse(words.split(' ')).expect("a command");
        let told = carry_out(&command, host).expect("a readable device");
        let target = host.tree().view().link_target("/sys/bus/pci/devices/0000:02:10.2/driver".as_ref());
        (told.unwrap_or_default(), target.unwrap().unwrap().file_name().unwrap().to_owned())
    };
    let (host, words) = with_functions(7);
    assert_eq!(bound(&host, words), (String::new(), "vfio-pci".into()));
    let (host, words) = with_functions(8);
    let (told, driver) = bound(&host, words);
    assert!(told.contains("its card has the serial number 00-00-00-00-00-00-00-08, and"), "{told}");
    assert_eq!(driver, "igbvf");
    let (host, words) = with_functions(7);
    let (told, driver) = bound(&host, &words.replace("virtfn=1", "virtfn=0"));
    assert!(told.contains("it is virtual function 1 of its card, and 0 was meant"), "{told}");
    assert_eq!(driver, "igbvf");
    // A card of its own that sits there by now.
    let host = self::host(SysfsDevice::igb(CARD));
    let (told, _, driver) = done(&host, "0000:01:00.0 driver=vfio-pci virtfn=0");
    assert!(told.is_some_and(|it| it.starts_with("it is no virtual function")));
    assert_eq!(driver.as_deref(), Some("igb"));
}
