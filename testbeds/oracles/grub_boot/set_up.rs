//! Disks with scripts on them, for the interpreter and for a GRUB.

use std::collections::BTreeMap;
use std::fmt;

use hoststate_core::formats::grub_script::{Disk, Family, File, Found, Listing, SearchBy, Start};

/// Stands in scripts where an entry ends that boots: there GRUB does so by itself, and the emulator has no loader.
pub(crate) const ENDS: &str = "@ENDS@";

/// Stands where `boot` is.
pub(crate) const BOOT: &str = "@BOOT@";

/// A host of a boot that is played twice.
#[derive(Clone, Default)]
pub(crate) struct SetUp {
    pub(crate) drives: Vec<Drive>,
    /// Directory of the first script, on the first drive.
    pub(crate) prefix: String,
}

/// A drive without partitions, `hd0` and so on.
#[derive(Clone, Default)]
pub(crate) struct Drive {
    pub(crate) uuid: String,
    pub(crate) label: String,
    /// Files by their path.
    pub(crate) files: BTreeMap<String, String>,
}

impl SetUp {
    pub(crate) fn start(&self) -> Start {
        let directory = format!("(hd0){}", self.prefix);
        let variables = [("prefix", directory.as_str()), ("root", "hd0"), ("cmdpath", &directory)];
        Start {
            family: Family::Upstream,
            cpu: "x86_64".to_owned(),
            platform: "emu".to_owned(),
            config: format!("{directory}/grub.cfg"),
            variables: variables.map(|(name, value)| (name.to_owned(), value.to_owned())).into(),
            blocks: BTreeMap::new(),
        }
    }

    fn drive(&self, device: &str) -> Option<&Drive> {
        self.drives.get(device.strip_prefix("hd")?.parse::<usize>().ok()?)
    }
}

impl fmt::Display for SetUp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, drive) in self.drives.iter().enumerate() {
            for (path, text) in drive.files.iter().filter(|it| it.1 != "x") {
                writeln!(f, "-- (hd{index}){path}\n{}", text.trim_end_matches('#'))?;
            }
        }
        Ok(())
    }
}

impl Disk for SetUp {
    fn file(&self, device: &str, path: &str) -> File {
        let Some(drive) = self.drive(device) else {
            return File::Absent;
        };
        let inside = format!("{}/", path.trim_end_matches('/'));
        match drive.files.get(path) {
            Some(text) => File::Text(text.replace(ENDS, "").replace(BOOT, "boot").into()),
            None if drive.files.keys().any(|it| it.starts_with(&inside)) => File::Directory,
            None => File::Absent,
        }
    }

    fn list(&self, device: &str, path: &str) -> Listing {
        let Some(drive) = self.drive(device) else {
            return Listing::Absent;
        };
        let inside = format!("{}/", path.trim_end_matches('/'));
        let names = drive.files.keys().filter_map(|it| it.strip_prefix(&inside)?.split('/').next());
        Listing::Names(names.map(str::to_owned).collect())
    }

    fn search(&self, by: SearchBy, what: &str, hints: &[&str]) -> Found {
        let fits = |drive: &Drive| match by {
            SearchBy::Uuid => drive.uuid.eq_ignore_ascii_case(what),
            SearchBy::Label => drive.label == what,
            SearchBy::File => drive.files.contains_key(what),
        };
        let hinted = hints.iter().filter_map(|it| Some((it.to_string(), self.drive(it)?)));
        let all = self.drives.iter().enumerate().map(|(index, drive)| (format!("hd{index}"), drive));
        match hinted.chain(all).find(|it| fits(it.1)) {
            Some((device, _)) => Found::Device(device),
            None => Found::Absent,
        }
    }

    fn is_writable(&self, _: &str, _: &str) -> Option<bool> {
        Some(true)
    }
}
