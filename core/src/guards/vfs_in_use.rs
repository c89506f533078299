//! `vfs-in-use`: virtual functions and mediated devices that someone uses are lost, because the number of functions changes
//! or the device leaves its driver.

use crate::error::Result;
use crate::guards::rebinding;
use crate::machine::pci_bus;
use crate::machine::users::{self, Use, Users};
use crate::plan::scene::{Hazard, Scene, Severity};

const NAME: &str = "vfs-in-use";

/// Finds physical functions whose virtual ones are in use. The kernel removes all of them on the way to any other
/// number (drivers/pci/iov.c). A function that nobody has is none, whatever driver it is bound to.
///
/// # Errors
/// When the host cannot be read.
pub fn hazards(scene: Scene<'_>) -> Result<Vec<Hazard>> {
    let mut hazards = Vec::new();
    for (address, path, value) in scene.counts().into_iter().chain(scene.counts_at_boot()) {
        let Some(device) = pci_bus::device(scene.before, address)? else { continue };
        let now = device.sriov.map_or(0, |it| it.numvfs);
        if now == 0 || value == now.to_string() {
            continue;
        }
        let users = users::of(scene.before, &users::functions(scene.before, &device)?)?;
        let written = format!("{} is {now}; {value} is written there", path.display());
        let change = format!("changing the number of virtual functions of {address} removes all {now}");
        let now = now.to_string();
        if !users.uses.is_empty() {
            let (address, used) = (address.to_string(), used(&users.uses));
            let are = if used.len() == 1 { "is" } else { "are" };
            let holder = waited_for(&users.uses);
            let waiting = holder.as_ref().map_or(String::new(), |holder| {
                format!(
                    "; the write would hang and is not begun before {holder} lets go, even if this is accepted"
                )
            });
            let message = format!("{change}, and {} {are} in use{waiting}", used.join(", "));
            let mut identity: Vec<&str> = vec![&address, &now];
            identity.extend(users.uses.iter().map(|it| it.evidence.as_str()));
            let hazard = Hazard::new(NAME, Severity::Refuse, &identity, message).on(&address);
            let evidence = users.uses.iter().map(|it| it.evidence.clone());
            hazards.push(hazard.shown_by(evidence).shown_by([written]).waiting_for(holder));
        } else if !users.untold.is_empty() {
            hazards.push(untold(&users, &address.to_string(), &change).shown_by([written]));
        }
    }
    for taken in &rebinding::rebindings(scene)?.all {
        let functions = users::functions(scene.before, &taken.device)?;
        let mut used = Vec::new();
        let mut evidence = Vec::new();
        for it in users::of(scene.before, &functions)?.uses {
            let name = it.part.clone().unwrap_or_else(|| format!("its virtual function {}", it.device));
            if !used.contains(&name) {
                used.push(name);
            }
            evidence.push(it.evidence);
        }
        let is_virtual = taken.device.physfn.is_some();
        if let Some((upper, why)) = users::upper(scene.before, &taken.device)?.filter(|_| is_virtual) {
            used.push(format!("{upper}, which is built on it,"));
            evidence.push(why);
        }
        for (mediated, why) in users::mediated(scene.before, taken.device.address)? {
            used.push(format!("its mediated device {mediated}"));
            evidence.push(why);
        }
        if used.is_empty() {
            continue;
        }
        let address = taken.device.address;
        let are = if used.len() == 1 { "is" } else { "are" };
        let message = format!("{address} {}, and {} {are} in use", taken.what(), used.join(", "));
        let identity = taken.identity();
        let mut identity: Vec<&str> = identity.iter().map(String::as_str).collect();
        identity.extend(evidence.iter().map(String::as_str));
        let hazard = Hazard::new(NAME, Severity::Refuse, &identity, message).on(address);
        hazards.push(hazard.shown_by(evidence.iter().cloned()).shown_by(taken.evidence()));
    }
    Ok(hazards)
}

/// The functions that are used, each once.
fn used(uses: &[Use]) -> Vec<String> {
    let mut used: Vec<String> = uses.iter().map(|it| it.device.to_string()).collect();
    used.dedup();
    used
}

/// Returns the first process that the write would wait for.
fn waited_for(uses: &[Use]) -> Option<String> {
    uses.iter().find(|it| it.waits).and_then(|it| it.holder.clone())
}

/// Nobody is seen to have the functions, and not everybody is seen.
fn untold(users: &Users, address: &str, change: &str) -> Hazard {
    let names: Vec<String> = users.untold.iter().map(ToString::to_string).collect();
    let names = names.join(", ");
    let message = format!(
        "{change}, and whether a guest has {names} cannot be told: run it as root to see who has them"
    );
    Hazard::new(NAME, Severity::Warn, &[address, &names], message).on(address)
}
