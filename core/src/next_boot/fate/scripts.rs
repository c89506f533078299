//! Scripts of an image that name functions and bind them to drivers: what they do only running them tells.

use std::collections::BTreeSet;

use hoststate_abi::pci_address::PciAddress;

use crate::machine::image_contents::{Contents, is_script};

/// What a script writes to that gives a function to a driver, or takes it away.
const MOVES: [&str; 5] = ["driver_override", "/bind", "/unbind", "new_id", "/remove"];

/// Returns the scripts of an image that move functions, each with its path as it is to be named.
pub(super) fn of_image<'a>(contents: &'a Contents, image: &str) -> Vec<(&'a str, String)> {
    let scripts = contents.files.keys().filter(|it| is_script(it));
    let texts = scripts.map(|it| (contents.text(it), format!("/{it} in {image}")));
    texts.filter(|it| is_moving(it.0)).collect()
}

/// Returns whether a script moves functions, comments aside.
pub(super) fn is_moving(text: &str) -> bool {
    code(text).any(|line| MOVES.iter().any(|it| line.contains(it)))
}

/// Returns what may be an address in a script, with its domain or without it.
pub(super) fn words(text: &str) -> BTreeSet<&str> {
    let is_part = |it: char| it.is_ascii_hexdigit() || matches!(it, ':' | '.');
    code(text).flat_map(|line| line.split(move |it| !is_part(it))).collect()
}

/// Returns whether the words of a script name an address.
pub(super) fn are_about(words: &BTreeSet<&str>, address: PciAddress) -> bool {
    let full = address.to_string();
    let short = full.split_once(':').map_or(full.as_str(), |it| it.1);
    words.contains(full.as_str()) || words.contains(short)
}

/// Returns the driver for guests that a script names.
pub(super) fn driver(text: &str) -> Option<String> {
    text.contains("vfio-pci").then(|| "vfio-pci".to_owned())
}

fn code(text: &str) -> impl Iterator<Item = &str> {
    text.lines().map(|it| if it.trim_start().starts_with('#') { "" } else { it })
}
