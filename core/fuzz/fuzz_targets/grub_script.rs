//! Scripts of GRUB that lead to each other, with an environment block and boot entries: every boot ends.
#![no_main]

use std::collections::BTreeMap;

use hoststate_core::formats::grub_script::{Disk, Family, File, Found, Listing, SearchBy, Start, play};
use libfuzzer_sys::fuzz_target;

/// A script, another one, an environment block and a boot entry.
struct Parts<'a>([&'a str; 4]);

impl Disk for Parts<'_> {
    fn file(&self, device: &str, path: &str) -> File {
        let text = match (device, path) {
            ("dark", _) => return File::Unknown,
            (_, "/grub/grub.cfg") => self.0[0],
            (_, "/grub/custom.cfg" | "/c") => self.0[1],
            (_, "/grub/grubenv") => self.0[2],
            (_, "/loader/entries/a-1-2.conf" | "/loader/entries/a-1-10.conf") => self.0[3],
            (_, "/k" | "/i") => return File::Data,
            _ => return File::Absent,
        };
        File::Text(text.into())
    }

    fn list(&self, device: &str, path: &str) -> Listing {
        match (device, path) {
            ("dark", _) => Listing::Unknown,
            (_, "/loader/entries") => Listing::Names(vec!["a-1-2.conf".to_owned(), "a-1-10.conf".to_owned()]),
            _ => Listing::Absent,
        }
    }

    fn search(&self, by: SearchBy, what: &str, _: &[&str]) -> Found {
        match by {
            SearchBy::Uuid => Found::Device(what.to_owned()),
            SearchBy::Label => Found::Unknown,
            SearchBy::File => Found::Absent,
        }
    }

    fn is_writable(&self, device: &str, _: &str) -> Option<bool> {
        (device != "hd1").then_some(true)
    }
}

fuzz_target!(|text: &str| {
    let mut parts = text.splitn(4, '\0');
    let mut part = || parts.next().unwrap_or("");
    let disk = Parts([part(), part(), part(), part()]);
    let family = if disk.0[3].is_empty() { Family::Upstream } else { Family::RedHat };
    let variables = [("root", "hd0"), ("prefix", "(hd0)/grub"), ("boot", "hd0")];
    let start = Start {
        family,
        cpu: "x86_64".to_owned(),
        platform: "efi".to_owned(),
        config: "(hd0)/grub/grub.cfg".to_owned(),
        variables: variables.map(|(name, value)| (name.to_owned(), value.to_owned())).into(),
        blocks: BTreeMap::new(),
    };
    let first = play(&start, &disk);
    assert!(!first.worlds.is_empty());
    for world in &first.worlds {
        for (name, block) in &world.blocks {
            let (device, path) = name[1..].split_once(')').expect("it has a device");
            let File::Text(before) = disk.file(device, path) else {
                panic!("{name} was no text");
            };
            assert_eq!(block.len(), before.len());
        }
    }
    let second = play(&first.worlds[0].next(&start), &disk);
    assert!(!second.worlds.is_empty());
});
