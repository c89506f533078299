//! The numbers of virtual functions that systemd-udevd makes by `.link` files (systemd.link(5)).

use std::rc::Rc;

use super::foreign_files;
use super::statement::{Card, Statement};
use crate::error::Result;
use crate::formats::fnmatch;
use crate::formats::ini::{self, Entry};
use crate::plan::scene::Scene;

/// Directories of `.link` files, the strongest first.
const DIRECTORIES: [&str; 5] = [
    "/etc/systemd/network",
    "/run/systemd/network",
    "/usr/local/lib/systemd/network",
    "/usr/lib/systemd/network",
    "/lib/systemd/network",
];

/// Whether a file is for a card.
#[derive(PartialEq, Eq)]
enum Match {
    Yes,
    No,
    /// What it asks for is not told by the card: the kernel, a container, a property of udev.
    Perhaps,
}

/// Only the first file that matches an interface is used (systemd/systemd#16219).
pub(super) fn counts(scene: Scene<'_>) -> Result<Vec<Statement>> {
    let mut files = foreign_files(scene, &DIRECTORIES, ".link")?;
    files.sort_by(|a, b| a.file_name().cmp(&b.file_name()));
    let mut parsed = Vec::new();
    for path in files {
        parsed.extend(scene.after.parsed(&path, ini::parse)?.map(|it| (path, it)));
    }
    let all: Rc<Vec<Rc<Vec<Entry>>>> = Rc::new(parsed.iter().map(|it| Rc::clone(&it.1)).collect());
    let mut statements = Vec::new();
    for (index, (path, entries)) in parsed.iter().enumerate() {
        let Some((count, said)) = count(entries) else { continue };
        let all = Rc::clone(&all);
        statements.push(Statement {
            who: "systemd-udevd",
            sets: Some(count),
            evidence: format!("{}:{} has {}={}", path.display(), said.line, said.key, said.value),
            is_invitation: false,
            is_of: Box::new(move |card| {
                let is_taken = all[..index].iter().any(|it| matches(it, card) == Match::Yes);
                !is_taken && matches(&all[index], card) != Match::No
            }),
        });
    }
    Ok(statements)
}

/// Without a number there are as many as the sections of functions need.
fn count(entries: &[Entry]) -> Option<(String, &Entry)> {
    if let Some(count) = ini::last(entries, "Link", "SR-IOVVirtualFunctions") {
        return Some((count.value.clone(), count));
    }
    let functions = entries.iter().filter(|it| it.section == "SR-IOV" && it.key == "VirtualFunction");
    let highest = functions.filter_map(|it| Some((it.value.parse::<u32>().ok()?, it))).max_by_key(|it| it.0);
    highest.map(|(index, entry)| ((index + 1).to_string(), entry))
}

fn matches(entries: &[Entry], card: &Card<'_>) -> Match {
    let by_path = format!("pci-{}", card.device.address);
    let mut found = Match::Yes;
    for entry in entries.iter().filter(|it| it.section == "Match") {
        let (value, is_negated) = match entry.value.strip_prefix('!') {
            Some(rest) => (rest, true),
            None => (entry.value.as_str(), false),
        };
        let any = |has: &dyn Fn(&str) -> bool| value.split_whitespace().any(has);
        let fits = match entry.key.as_str() {
            "OriginalName" => any(&|it| card.is_named(it)),
            "MACAddress" | "PermanentMACAddress" => any(&|it| card.has_mac(it)),
            "Path" => any(&|it| fnmatch::matches(it, &by_path)),
            "Driver" => any(&|it| card.has_driver(it)),
            "Type" => any(&|it| fnmatch::matches(it, "ether") || fnmatch::matches(it, "infiniband")),
            _ => {
                found = Match::Perhaps;
                continue;
            }
        };
        if fits == is_negated {
            return Match::No;
        }
    }
    // One without a section for that is for no interface.
    if entries.iter().any(|it| it.section == "Match") { found } else { Match::No }
}
