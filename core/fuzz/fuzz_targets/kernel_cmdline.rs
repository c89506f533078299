//! Kernel command lines: kept as they are, and edited once.
#![no_main]

use hoststate_core::formats::kernel_cmdline::{Cmdline, CmdlineEdit, Parameter};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    let (wanted, line) = text.split_once('\n').unwrap_or(("", text));
    let mut cmdline = Cmdline::parse(line);
    assert_eq!(cmdline.to_string(), line);
    let parameters = |sigil: char| {
        let parameters = wanted.split(' ').filter_map(move |it| Parameter::parse(it.strip_prefix(sigil)?).ok());
        parameters.collect::<Vec<_>>()
    };
    let edit = CmdlineEdit { present: parameters('='), additional: parameters('+'), absent: parameters('-') };
    if edit.conflict().is_none() {
        cmdline.edit(&edit);
        assert!(cmdline.satisfies(&edit), "{cmdline}");
        let once = cmdline.to_string();
        assert_eq!(Cmdline::parse(&once), cmdline);
        cmdline.edit(&edit);
        assert_eq!(cmdline.to_string(), once);
    }
});
