//! Generated GRUB scripts: kept as they are.
#![no_main]

use hoststate_core::formats::grub_cfg::GrubCfg;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    let cfg = GrubCfg::parse(text);
    assert_eq!(cfg.to_string(), text);
    for entry in &cfg.entries {
        assert!(entry.line >= 1 && entry.line <= text.lines().count().max(1));
    }
});
