//! Kernel command lines: kept as they are, and edited once.
#![no_main]

use hoststate_core::formats::kernel_cmdline::{Cmdline, CmdlineEdit, Word};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    let (wanted, line) = text.split_once('\n').unwrap_or(("", text));
    let mut cmdline = Cmdline::parse(line);
    assert_eq!(cmdline.to_string(), line);
    let words = |sigil: char| {
        let words = wanted.split(' ').filter_map(move |it| Word::parse(it.strip_prefix(sigil)?).ok());
        words.collect::<Vec<_>>()
    };
    let edit = CmdlineEdit { present: words('='), additional: words('+'), absent: words('-') };
    if edit.conflict().is_none() {
        cmdline.edit(&edit);
        assert!(cmdline.satisfies(&edit), "{cmdline}");
        let once = cmdline.to_string();
        assert_eq!(Cmdline::parse(&once), cmdline);
        cmdline.edit(&edit);
        assert_eq!(cmdline.to_string(), once);
    }
});
