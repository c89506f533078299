//! The command line of each boot entry, where each parameter comes from, which entry boots next, and what the running
//! kernel has of it.

use hoststate_abi::host_view::HostView;
use hoststate_abi::setting::Place;
use hoststate_core::error::Error as CoreError;
use hoststate_core::formats::kernel_cmdline::{Cmdline, Parameter as CmdlineParameter};
use hoststate_core::mechanism::distro::{BootEntry, BootVariable, Distro, EntryChoice};
use hoststate_core::next_boot::Menu;
use hoststate_core::next_boot::booted::{self, Booted};
use schemars::JsonSchema;
use serde::Serialize;

use crate::error::Result;

mod text;

pub(super) use text::text;

/// A parameter that the boot loader adds by itself; no configuration has it.
const ADDED_BY_LOADER: &str = "BOOT_IMAGE";

/// The command lines of a host.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct CommandLines {
    /// The parameters the running kernel got; null for a tree without `/proc`.
    running: Option<Vec<String>>,
    /// Release of the running kernel.
    kernel: Option<String>,
    /// Index of the entry that was booted, as far as kernel and parameters tell.
    booted: Option<usize>,
    /// What the next boot takes.
    next_boot: EntryChoice,
    /// Whether the menu is not known because it may not be read.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    is_menu_withheld: bool,
    /// The boot entries, in the order of the menu.
    entries: Vec<Entry>,
    /// The parameters that kernels installed later will get; empty where that is not known.
    future: Vec<String>,
    /// Why it is not known.
    #[serde(skip_serializing_if = "Option::is_none")]
    future_unknown: Option<String>,
}

/// A boot entry.
#[derive(Debug, Serialize, JsonSchema)]
struct Entry {
    title: String,
    kernel: Option<String>,
    recovery: bool,
    place: Place,
    parameters: Vec<ShownParameter>,
    /// Parameters of the running kernel that this entry does not have; empty for recovery entries, which differ by
    /// their nature.
    missing: Vec<String>,
}

/// A parameter of an entry.
#[derive(Debug, Serialize, JsonSchema)]
struct ShownParameter {
    parameter: String,
    /// The line it comes from.
    source: Place,
    /// Whether the running kernel has it; null for a tree without `/proc`, and for variables of the boot loader.
    running: Option<bool>,
    /// For a variable of the boot loader: the values that its configuration names.
    #[serde(skip_serializing_if = "Option::is_none")]
    values: Option<Vec<String>>,
}

/// Reads the command lines.
///
/// # Errors
/// When the configuration of the boot loader cannot be read.
pub(crate) fn read(view: &HostView, distro: &Distro) -> Result<CommandLines> {
    let Menu { entries, choice, is_withheld } = Menu::operated(view, distro)?;
    let booted = Booted::read(view, &entries)?;
    let running = booted.as_ref().map(|it| &it.cmdline);
    // A source that only a shell could read hides nothing of what was generated from it.
    let (future, future_unknown) = match distro.bootloader.later(view) {
        Ok(later) => (parameters(&later.cmdline), None),
        Err(err @ CoreError::Malformed { .. }) => (Vec::new(), Some(err.to_string())),
        Err(err) => return Err(err.into()),
    };
    Ok(CommandLines {
        running: running.map(parameters),
        kernel: booted.as_ref().and_then(|it| it.kernel.clone()),
        booted: booted.as_ref().and_then(|it| it.entry),
        next_boot: choice,
        is_menu_withheld: is_withheld,
        future,
        future_unknown,
        entries: entries.iter().map(|it| describe(it, running)).collect(),
    })
}

fn parameters(cmdline: &Cmdline) -> Vec<String> {
    cmdline.parameters().filter(|it| it.name() != ADDED_BY_LOADER).map(|it| it.raw().to_owned()).collect()
}

fn describe(entry: &BootEntry, running: Option<&Cmdline>) -> Entry {
    let missing = running.filter(|_| !entry.recovery).map(|it| booted::foreign(entry, it));
    let missing = missing.into_iter().flatten().map(|it| it.raw().to_owned()).collect();
    let line = Cmdline::parse(&entry.cmdline);
    let parameters = line.parameters().filter(|it| it.name() != ADDED_BY_LOADER);
    let parameters = parameters.map(|it| describe_parameter(it, entry, running)).collect();
    let BootEntry { title, kernel, recovery, place, .. } = entry.clone();
    Entry { title, kernel, recovery, place, parameters, missing }
}

fn describe_parameter(
    parameter: &CmdlineParameter,
    entry: &BootEntry,
    running: Option<&Cmdline>,
) -> ShownParameter {
    let raw = parameter.raw();
    let source = entry.sources.iter().find(|it| it.parameter == raw);
    let is_in = |it: &&BootVariable| raw.contains(&format!("${{{}}}", it.name));
    let variable = entry.variables.iter().find(is_in);
    ShownParameter {
        parameter: raw.to_owned(),
        source: source.map_or_else(|| entry.place.clone(), |it| it.place.clone()),
        running: running
            .filter(|_| variable.is_none())
            .map(|it| it.parameters().any(|it| it.same(parameter))),
        values: variable.map(|it| it.values.clone()),
    }
}
