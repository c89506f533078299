//! The command line of each boot entry, where each word comes from, and whether the running kernel has it.

use std::path::Path;

use hoststate_abi::host_view::HostView;
use hoststate_abi::setting::Place;
use hoststate_core::distro::{BootEntry, Distro};
use hoststate_core::error::Error as EngineError;
use hoststate_core::formats::kernel_cmdline::Cmdline;
use hoststate_core::kernels;
use serde::Serialize;

use crate::error::Result;
use crate::render::escape::visible_line;
use crate::render::table::table;

/// A word that the boot loader adds by itself; no configuration has it.
const ADDED_BY_LOADER: &str = "BOOT_IMAGE";

/// The command lines of a host.
#[derive(Debug, Serialize)]
pub(crate) struct CommandLines {
    /// The words the running kernel got; null for a tree without `/proc`.
    running: Option<Vec<String>>,
    /// Release of the running kernel.
    kernel: Option<String>,
    /// The boot entries, in the order of the menu.
    entries: Vec<Entry>,
    /// The words that kernels installed later will get.
    future: Vec<String>,
}

/// A boot entry.
#[derive(Debug, Serialize)]
struct Entry {
    title: String,
    kernel: Option<String>,
    recovery: bool,
    place: Place,
    words: Vec<Word>,
    /// Words of the running kernel that this entry does not have; empty for recovery entries, which differ by
    /// their nature.
    missing: Vec<String>,
}

/// A word of an entry.
#[derive(Debug, Serialize)]
struct Word {
    word: String,
    /// The line it comes from.
    source: Place,
    /// Whether the running kernel has it; null for a tree without `/proc`.
    running: Option<bool>,
}

/// Reads the command lines.
///
/// # Errors
/// When the configuration of the boot loader cannot be read.
pub(crate) fn read(view: &HostView, distro: &Distro) -> Result<CommandLines> {
    let running = view.attribute(Path::new("/proc/cmdline")).map_err(EngineError::from)?;
    let running = running.map(|it| words(&it));
    let entries = distro.bootloader.entries(view)?;
    Ok(CommandLines {
        entries: entries.into_iter().map(|it| describe(it, running.as_deref())).collect(),
        kernel: kernels::running(view)?,
        future: distro.bootloader.future(view)?.words().map(|it| it.raw().to_owned()).collect(),
        running,
    })
}

fn words(cmdline: &str) -> Vec<String> {
    let cmdline = Cmdline::parse(cmdline);
    cmdline.words().filter(|it| it.name() != ADDED_BY_LOADER).map(|it| it.raw().to_owned()).collect()
}

fn describe(entry: BootEntry, running: Option<&[String]>) -> Entry {
    let own = words(&entry.cmdline);
    let missing = running.into_iter().flatten().filter(|it| !entry.recovery && !own.contains(it));
    let missing = missing.cloned().collect();
    let source = |word: &str| {
        let known = entry.sources.iter().find(|it| it.word == word);
        known.map_or_else(|| entry.place.clone(), |it| it.place.clone())
    };
    let words = own
        .iter()
        .map(|word| Word {
            word: word.clone(),
            source: source(word),
            running: running.map(|it| it.contains(word)),
        })
        .collect();
    let BootEntry { title, kernel, recovery, place, .. } = entry;
    Entry { title, kernel, recovery, place, words, missing }
}

/// Returns the command lines as one table for each entry.
pub(crate) fn text(lines: &CommandLines) -> String {
    let mut out = String::new();
    if let Some(running) = &lines.running {
        let kernel = lines.kernel.as_deref().unwrap_or("unknown kernel");
        out.push_str(&format!("running {kernel}: {}\n", running.join(" ")));
    }
    for entry in &lines.entries {
        let recovery = if entry.recovery { ", recovery" } else { "" };
        out.push_str(&format!("\n{} ({}{recovery})\n", entry.title, entry.place));
        let rows: Vec<Vec<String>> = entry.words.iter().map(row).collect();
        out.push_str(&table(&rows));
        if !entry.missing.is_empty() {
            out.push_str(&format!("  running now, not in this entry: {}\n", entry.missing.join(" ")));
        }
    }
    out.push_str(&format!("\nkernels installed later: {}\n", lines.future.join(" ")));
    visible_lines(&out)
}

fn row(word: &Word) -> Vec<String> {
    let running = match word.running {
        Some(true) => "running",
        Some(false) => "not running",
        None => "-",
    };
    vec![format!("  {}", word.word), running.to_owned(), word.source.to_string()]
}

fn visible_lines(text: &str) -> String {
    text.lines().map(|it| visible_line(it).into_owned() + "\n").collect()
}
