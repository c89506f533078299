//! Legacy GRUB menus: kept as they are, and edited once.
#![no_main]

use hoststate_core::formats::grub_legacy::GrubLegacy;
use hoststate_core::formats::kernel_cmdline::{CmdlineEdit, Parameter};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    let mut menu = GrubLegacy::parse(text);
    assert_eq!(menu.to_string(), text);
    menu.default();
    let parameter = Parameter::parse("iommu=pt").expect("a parameter");
    let edit = CmdlineEdit { present: vec![parameter], ..CmdlineEdit::default() };
    for number in 0..menu.stanzas().len() {
        menu.edit(number, &edit);
        let once = menu.to_string();
        menu.edit(number, &edit);
        assert_eq!(menu.to_string(), once);
    }
});
