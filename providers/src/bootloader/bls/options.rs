//! `options` of a boot entry, where whole words may be variables of GRUB.

use std::collections::BTreeMap;

use hoststate_core::error::Result;
use hoststate_core::formats::kernel_cmdline::CmdlineEdit;

use crate::bootloader::grub_text::{self, Level};

/// Marks where a variable's words begin and end while the line is edited.
const BEGIN: &str = "hoststate.begin-";
const END: &str = "hoststate.end-";

/// Why options cannot be edited.
#[derive(Debug)]
pub(super) struct Fault {
    /// What stands in the way.
    pub(super) why: String,
    /// Whether it stands in the environment block and not in the options.
    pub(super) in_environment: bool,
}

/// Returns whether a word of the options is this variable.
pub(super) fn refers_to(options: &str, name: &str) -> bool {
    options.split_whitespace().any(|it| it.strip_prefix('$') == Some(name))
}

/// Returns options changed so that the kernel gets what is wanted; variables stay variables.
///
/// A variable that is not set stays too: `$tuned_params` has a value once tuned runs.
pub(super) fn edit(
    options: &str,
    values: &BTreeMap<String, String>,
    wanted: &CmdlineEdit,
) -> Result<Result<String, Fault>> {
    let mut opened = String::new();
    let mut regions: Vec<(&str, String)> = Vec::new();
    let mut rest = options;
    while let Some(start) = rest.find(|it: char| !it.is_ascii_whitespace()) {
        let (gap, text) = rest.split_at(start);
        let end = text.find(|it: char| it.is_ascii_whitespace()).unwrap_or(text.len());
        let (word, after) = text.split_at(end);
        opened.push_str(gap);
        match word.strip_prefix('$').and_then(|it| values.get(it)) {
            None => opened.push_str(word),
            Some(value) => {
                let number = regions.len();
                let region = format!("{BEGIN}{number} {} {END}{number}", value.trim());
                opened.push_str(&region);
                regions.push((word, region));
            }
        }
        rest = after;
    }
    opened.push_str(rest);
    let edited = match grub_text::edit(&opened, wanted, Level::Blscfg)? {
        Ok(edited) => edited,
        Err(unclear) => return Ok(Err(Fault { why: unclear.why, in_environment: false })),
    };
    let mut closed = edited;
    for (variable, region) in regions {
        if !closed.contains(&region) {
            let why =
                format!("`{variable}` in the environment block holds parameters that would have to change");
            return Ok(Err(Fault { why, in_environment: true }));
        }
        closed = closed.replacen(&region, variable, 1);
    }
    Ok(Ok(closed))
}
