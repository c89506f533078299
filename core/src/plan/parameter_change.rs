//! Parameters of the command line in which the running kernel, the next boot and the declarations differ, side by side.

use hoststate_abi::host_view::HostView;
use hoststate_abi::setting::Place;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::error::Result;
use crate::formats::kernel_cmdline::{Cmdline, Parameter};
use crate::machine::facts;
use crate::machine::kernels;
use crate::mechanism::distro::{BootEntry, ParameterSource};
use crate::next_boot::Menu;
use crate::next_boot::booted::{self, Booted};
use crate::plan::planned::FileChange;

/// A parameter, and who has it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ParameterChange {
    /// The parameter as it is written.
    pub parameter: String,
    /// Whether the running kernel was given it; null for a tree without `/proc`.
    pub running: Option<bool>,
    /// The installed kernels that have a boot entry.
    pub kernels: Vec<ChangeInKernel>,
    /// The line it comes from, or will come from; null for a parameter that only the running kernel has.
    pub from: Option<Place>,
}

/// What a boot of one kernel makes of a parameter.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ChangeInKernel {
    /// Release of the kernel.
    pub kernel: String,
    /// Whether it is the running one.
    pub running: bool,
    /// Whether its boot entry gives it the parameter, before anything is changed.
    pub next: bool,
    /// Whether it shall get the parameter.
    pub desired: bool,
}

impl ParameterChange {
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
pub fn find(
    host: &HostView,
    before: &Menu,
    after: &Menu,
    files: &[FileChange],
) -> Result<Vec<ParameterChange>> {
    let booted = if facts::proc_is_foreign(host)? { None } else { Booted::read(host, &before.entries)? };
    let installed = kernels::installed(host)?;
    let columns: Vec<Column<'_>> = installed.0.iter().filter_map(|it| column(it, before, after)).collect();
    let mut seen: Vec<Parameter> = Vec::new();
    for column in &columns {
        let running = booted.iter().filter(|it| it.kernel.as_deref() == Some(column.kernel));
        let of_running = running.flat_map(|it| booted::foreign(column.entry, &it.cmdline));
        for parameter in
            column.next.parameters().chain(column.desired.parameters()).cloned().chain(of_running)
        {
            // What the boot loader puts in place of a variable is not known.
            if !parameter.raw().contains("${") && !seen.iter().any(|it| it.same(&parameter)) {
                seen.push(parameter);
            }
        }
    }
    let change = |parameter: &Parameter| {
        let has = |line: &Cmdline| line.parameters().any(|it| it.same(parameter));
        let is_running =
            |it: &Column<'_>| booted.as_ref().and_then(|it| it.kernel.as_deref()) == Some(it.kernel);
        ParameterChange {
            parameter: parameter.raw().to_owned(),
            running: booted.as_ref().map(|it| has(&it.cmdline)),
            kernels: columns
                .iter()
                .map(|it| ChangeInKernel {
                    kernel: it.kernel.to_owned(),
                    running: is_running(it),
                    next: has(&it.next),
                    desired: has(&it.desired),
                })
                .collect(),
            from: from(parameter, &columns, files),
        }
    };
    Ok(seen.iter().map(change).filter(differs).collect())
}

fn column<'a>(kernel: &'a str, before: &'a Menu, after: &Menu) -> Option<Column<'a>> {
    let is_its = |it: &&BootEntry| it.kernel.as_deref() == Some(kernel);
    let is_usual = |it: &&BootEntry| is_its(it) && !it.recovery;
    let entry = before.taken().filter(is_its).or_else(|| before.entries.iter().find(is_usual))?;
    let next = Cmdline::parse(&entry.cmdline);
    // A menu may have several entries of one title; lines move where the file is written.
    let is_it = |it: &&BootEntry| it.place.file == entry.place.file && it.title == entry.title;
    let is_same = |it: &&BootEntry| is_it(it) && it.place.line == entry.place.line;
    let then = after.entries.iter().find(is_same).or_else(|| after.entries.iter().find(is_it));
    let desired = then.map_or_else(|| next.clone(), |it| Cmdline::parse(&it.cmdline));
    Some(Column { kernel, entry, next, desired })
}

/// Whether anybody has the parameter and anybody has it not.
fn differs(change: &ParameterChange) -> bool {
    let of_kernels = change.kernels.iter().flat_map(|it| [it.next, it.desired]);
    // Another kernel was booted with parameters of its own; its entry says what it gets.
    let counts = change.kernels.iter().any(|it| it.running);
    let all: Vec<bool> = of_kernels.chain(change.running.filter(|_| counts)).collect();
    all.contains(&true) && all.contains(&false)
}

fn from(parameter: &Parameter, columns: &[Column<'_>], files: &[FileChange]) -> Option<Place> {
    let has_it = |it: &&Column<'_>| it.next.parameters().any(|it| it.same(parameter));
    if let Some(column) = columns.iter().find(has_it) {
        let is_it = |it: &&ParameterSource| it.parameter == parameter.raw();
        let source = column.entry.sources.iter().find(is_it);
        return Some(source.map_or_else(|| column.entry.place.clone(), |it| it.place.clone()));
    }
    let line_of =
        |text: &Option<String>| text.as_deref()?.lines().position(|it| it.contains(parameter.raw()));
    let file = files.iter().find(|it| line_of(&it.after).is_some() && line_of(&it.before).is_none())?;
    Some(Place { file: file.path.clone(), line: line_of(&file.after).map(|it| it + 1) })
}
