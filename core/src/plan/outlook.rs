//! Words of the command line in which the running kernel, the next boot and the declarations differ, side by side.

use hoststate_abi::host_view::HostView;
use hoststate_abi::setting::Place;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::error::Result;
use crate::formats::kernel_cmdline::{Cmdline, Word};
use crate::machine::facts;
use crate::machine::kernels;
use crate::mechanism::distro::{BootEntry, WordSource};
use crate::next_boot::Menu;
use crate::next_boot::booted::{self, Booted};
use crate::plan::planned::FileChange;

/// A word, and who has it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct WordOutlook {
    /// The word as it is written.
    pub word: String,
    /// Whether the running kernel was given it; null for a tree without `/proc`.
    pub running: Option<bool>,
    /// The installed kernels that have a boot entry.
    pub kernels: Vec<KernelOutlook>,
    /// The line it comes from, or will come from; null for a word that only the running kernel has.
    pub from: Option<Place>,
}

/// What a boot of one kernel makes of a word.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct KernelOutlook {
    /// Release of the kernel.
    pub kernel: String,
    /// Whether it is the running one.
    pub running: bool,
    /// Whether its boot entry gives it the word, before anything is changed.
    pub next: bool,
    /// Whether it shall get the word.
    pub desired: bool,
}

impl WordOutlook {
    /// Returns whether it says more than that a change is wanted: kernels differ, or the next boot differs from the
    /// running kernel already.
    pub fn is_news(&self) -> bool {
        let differ =
            self.kernels.windows(2).any(|it| (it[0].next, it[0].desired) != (it[1].next, it[1].desired));
        let of_running = self.kernels.iter().find(|it| it.running);
        differ || of_running.is_some_and(|it| self.running.is_some_and(|running| running != it.next))
    }
}

/// The boot entry of a kernel.
struct Column<'a> {
    kernel: &'a str,
    entry: &'a BootEntry,
    next: Cmdline,
    desired: Cmdline,
}

/// Compares the running kernel with the menu as it is `before` and `after` the plan; `files` are what that changes.
///
/// # Errors
/// When `/proc` cannot be read.
pub fn words(host: &HostView, before: &Menu, after: &Menu, files: &[FileChange]) -> Result<Vec<WordOutlook>> {
    let booted = if facts::proc_is_foreign(host)? { None } else { Booted::read(host, &before.entries)? };
    let installed = kernels::installed(host)?;
    let columns: Vec<Column<'_>> = installed.0.iter().filter_map(|it| column(it, before, after)).collect();
    let mut seen: Vec<Word> = Vec::new();
    for column in &columns {
        let running = booted.iter().filter(|it| it.kernel.as_deref() == Some(column.kernel));
        let of_running = running.flat_map(|it| booted::foreign(column.entry, &it.cmdline));
        for word in column.next.words().chain(column.desired.words()).cloned().chain(of_running) {
            // What the boot loader puts in place of a variable is not known.
            if !word.raw().contains("${") && !seen.iter().any(|it| it.same(&word)) {
                seen.push(word);
            }
        }
    }
    let outlook = |word: &Word| {
        let has = |line: &Cmdline| line.words().any(|it| it.same(word));
        let is_running =
            |it: &Column<'_>| booted.as_ref().and_then(|it| it.kernel.as_deref()) == Some(it.kernel);
        WordOutlook {
            word: word.raw().to_owned(),
            running: booted.as_ref().map(|it| has(&it.cmdline)),
            kernels: columns
                .iter()
                .map(|it| KernelOutlook {
                    kernel: it.kernel.to_owned(),
                    running: is_running(it),
                    next: has(&it.next),
                    desired: has(&it.desired),
                })
                .collect(),
            from: from(word, &columns, files),
        }
    };
    Ok(seen.iter().map(outlook).filter(differs).collect())
}

fn column<'a>(kernel: &'a str, before: &'a Menu, after: &Menu) -> Option<Column<'a>> {
    let is_its = |it: &&BootEntry| it.kernel.as_deref() == Some(kernel);
    let is_usual = |it: &&BootEntry| is_its(it) && !it.recovery;
    let entry = before.taken().filter(is_its).or_else(|| before.entries.iter().find(is_usual))?;
    let next = Cmdline::parse(&entry.cmdline);
    let then = after.entries.iter().find(|it| it.place.file == entry.place.file && it.title == entry.title);
    let desired = then.map_or_else(|| next.clone(), |it| Cmdline::parse(&it.cmdline));
    Some(Column { kernel, entry, next, desired })
}

/// Whether anybody has the word and anybody has it not.
fn differs(outlook: &WordOutlook) -> bool {
    let of_kernels = outlook.kernels.iter().flat_map(|it| [it.next, it.desired]);
    // Another kernel was booted with words of its own; its entry says what it gets.
    let counts = outlook.kernels.iter().any(|it| it.running);
    let all: Vec<bool> = of_kernels.chain(outlook.running.filter(|_| counts)).collect();
    all.contains(&true) && all.contains(&false)
}

fn from(word: &Word, columns: &[Column<'_>], files: &[FileChange]) -> Option<Place> {
    let has_it = |it: &&Column<'_>| it.next.words().any(|it| it.same(word));
    if let Some(column) = columns.iter().find(has_it) {
        let is_it = |it: &&WordSource| it.word == word.raw();
        let source = column.entry.sources.iter().find(is_it);
        return Some(source.map_or_else(|| column.entry.place.clone(), |it| it.place.clone()));
    }
    let line_of = |text: &Option<String>| text.as_deref()?.lines().position(|it| it.contains(word.raw()));
    let file = files.iter().find(|it| line_of(&it.after).is_some() && line_of(&it.before).is_none())?;
    Some(Place { file: file.path.clone(), line: line_of(&file.after).map(|it| it + 1) })
}
