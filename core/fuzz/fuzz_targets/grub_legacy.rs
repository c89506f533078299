//! Legacy GRUB menus: kept as they are, and edited once.
#![no_main]

use hoststate_core::formats::grub_legacy::GrubLegacy;
use hoststate_core::formats::kernel_cmdline::{CmdlineEdit, Word};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    let mut menu = GrubLegacy::parse(text);
    assert_eq!(menu.to_string(), text);
    menu.default();
    let word = Word::parse("iommu=pt").expect("a word");
    let edit = CmdlineEdit { present: vec![word], ..CmdlineEdit::default() };
    for number in 0..menu.stanzas().len() {
        menu.edit(number, &edit);
        let once = menu.to_string();
        menu.edit(number, &edit);
        assert_eq!(menu.to_string(), once);
    }
});
