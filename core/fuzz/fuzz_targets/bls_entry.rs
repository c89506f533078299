//! Boot entries: kept as they are, expanded, and edited once.
#![no_main]

use std::collections::BTreeMap;

use hoststate_core::formats::bls_entry::{BlsEntry, Reader, expand};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    let (options, rest) = text.split_once('\n').unwrap_or(("", text));
    let mut entry = BlsEntry::parse(rest);
    assert_eq!(entry.to_string(), rest);
    let variables = BTreeMap::from([("kernelopts".to_owned(), "ro $x".to_owned())]);
    for reader in [Reader::Grub, Reader::SystemdBoot] {
        if let Some(options) = entry.options(reader) {
            expand(&options, &variables);
        }
    }
    entry.set_options(options);
    let once = entry.to_string();
    entry.set_options(options);
    assert_eq!(entry.to_string(), once);
});
