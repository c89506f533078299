//! udev rules: kept as they are, and edited once.
#![no_main]

use hoststate_core::formats::udev_rules::{UdevRules, assigned_attributes};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    let mut rules = UdevRules::parse(text);
    assert_eq!(rules.as_str(), text);
    text.lines().for_each(|it| drop(assigned_attributes(it)));
    let wanted = ["ACTION==\"add\", KERNEL==\"0000:01:00.0\", ATTR{driver_override}=\"vfio-pci\"".to_owned()];
    rules.set("0000:01:00.0", "hoststate: x", ", serial 1", &wanted);
    let once = rules.as_str().to_owned();
    rules.set("0000:01:00.0", "hoststate: x", ", serial 1", &wanted);
    assert_eq!(rules.as_str(), once);
    rules.remove("0000:01:00.0", "hoststate: x");
    assert!(rules.rules_of("0000:01:00.0").is_empty());
});
