//! `root-storage`: the controller of a disk that is mounted, swap or in use in another way, or the card over which such a
//! disk is reached, leaves its driver.

use crate::error::Result;
use crate::guards::rebinding;
use crate::machine::needs::{self, Kind, Need};
use crate::plan::scene::{Hazard, Scene, Severity};

const NAME: &str = "root-storage";

/// How many names a sentence holds.
const MOST: usize = 4;

/// Finds devices whose loss takes a mounted file system, swap or data of guests away.
///
/// # Errors
/// When `/proc` or `/sys` cannot be read.
pub fn hazards(scene: Scene<'_>) -> Result<Vec<Hazard>> {
    let rebindings = rebinding::rebindings(scene)?;
    if rebindings.all.is_empty() {
        return Ok(Vec::new());
    }
    let needs = needs::of(scene.before)?;
    let mut hazards = Vec::new();
    for taken in &rebindings.all {
        let address = taken.device.address;
        let is_hit = |it: &&Need| it.kind == Kind::Storage && it.hangs_on(address);
        let mut hit: Vec<&Need> = needs.iter().filter(is_hit).collect();
        if hit.is_empty() {
            continue;
        }
        hit.sort_by_key(|it| it.is_certain.then_some(&it.name));
        let mut names: Vec<&str> = hit.iter().flat_map(|it| it.uses.iter().map(String::as_str)).collect();
        names.sort_unstable();
        names.dedup();
        let is = match (hit.iter().any(|it| it.is_certain), names.len()) {
            (false, _) => "may be",
            (true, 1) => "is",
            (true, _) => "are",
        };
        let message = format!("{address} {}, and {} {is} on it", taken.what(), shortened(&names));
        let evidence = needs::evidence(hit.iter().copied());
        let identity = taken.identity();
        let mut identity: Vec<&str> = identity.iter().map(String::as_str).collect();
        identity.extend(&names);
        let hazard = Hazard::new(NAME, Severity::Refuse, &identity, message);
        hazards.push(hazard.on(address).shown_by(evidence).shown_by(taken.evidence()));
    }
    Ok(hazards)
}

fn shortened(names: &[&str]) -> String {
    match (names.len().checked_sub(MOST), names) {
        (None | Some(0), [first @ .., last]) if !first.is_empty() => {
            format!("{} and {last}", first.join(", "))
        }
        (None | Some(0), names) => names.join(", "),
        (Some(more), _) => format!("{} and {more} more", names[..MOST].join(", ")),
    }
}
