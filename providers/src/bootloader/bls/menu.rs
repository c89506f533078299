//! The menu that `blscfg` makes of boot entries, and which of them GRUB boots next.

use hoststate_abi::host_view::HostView;
use hoststate_abi::setting::Place;
use hoststate_core::error::Result;
use hoststate_core::mechanism::distro::EntryChoice;

use super::{Bls, ENTRIES, Found};
use crate::bootloader::grub_menu;
use crate::version;

/// Puts entries in the order of the menu: the newest first, by the names of their files.
pub(super) fn sorted(mut found: Vec<Found>) -> Vec<Found> {
    found.sort_by(|one, other| version::compare(&other.name(), &one.name()));
    found
}

/// Returns which of the sorted entries the next boot takes.
///
/// # Errors
/// When `grub.cfg` or the environment block cannot be read.
pub(super) fn next_boot(bls: &Bls, host: &HostView, sorted: &[Found]) -> Result<EntryChoice> {
    let cfg = grub_menu::script(host, &bls.grub_cfg)?;
    let environment = grub_menu::environment(host, &bls.grubenv)?;
    let selection = match cfg.as_deref() {
        Some(cfg) => cfg.selection(&environment),
        None => return Ok(grub_menu::without_menu(&bls.grub_cfg)),
    };
    let Some(selection) = selection else { return Ok(grub_menu::unknown_default(&bls.grub_cfg)) };
    let place = |line| Place { file: bls.grub_cfg.clone(), line: Some(line) };
    let because = grub_menu::because(&selection, &place, &bls.grub_cfg, &bls.grubenv);
    let value = selection.value.as_str();
    let is_named =
        |it: &Found| it.name().strip_suffix(".conf") == Some(value) || it.entry.title() == Some(value);
    let by_number = value.parse::<usize>().ok();
    let chosen = by_number.or_else(|| sorted.iter().position(is_named));
    // Lines of the file itself, such as other systems, stand in the same menu.
    let in_file =
        cfg.iter().flat_map(|it| &it.menu).any(|it| it.title == value || it.id.as_deref() == Some(value));
    let decided = |because: String| grub_menu::decided(&selection, because);
    Ok(match chosen {
        Some(number) if number < sorted.len() => EntryChoice { entry: Some(number), ..decided(because) },
        None if in_file => decided(format!("{because} is no entry of {ENTRIES}")),
        Some(_) => decided(format!("{because} is beyond the entries of {ENTRIES}")),
        None if sorted.is_empty() => decided(format!("{ENTRIES} has no entries")),
        None if value.is_empty() => EntryChoice { entry: Some(0), ..decided(because) },
        None => EntryChoice {
            entry: Some(0),
            ..decided(format!("{because} is not there, so the first is taken"))
        },
    })
}
