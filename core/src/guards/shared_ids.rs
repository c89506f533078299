//! `shared-ids`: an id catches several devices, and nothing says that all of them are meant.

use std::collections::BTreeMap;

use crate::error::Result;
use crate::guards::rebinding::{self, Kind, Rebinding};
use crate::plan::scene::{Hazard, Scene, Severity};

const NAME: &str = "shared-ids";

/// Finds ids that take more than one card. Virtual functions of one card share their id by nature, and what is
/// claimed by its address is not taken by id.
///
/// # Errors
/// When the host cannot be read.
pub fn hazards(scene: Scene<'_>) -> Result<Vec<Hazard>> {
    let rebindings = rebinding::rebindings(scene)?;
    let mut by_id: BTreeMap<_, Vec<&Rebinding>> = BTreeMap::new();
    for taken in &rebindings.all {
        let by_address = taken.causes.iter().any(|it| it.kind == Kind::Address);
        let id = taken.causes.iter().find_map(|it| match it.kind {
            Kind::Id(pattern) => Some(pattern),
            Kind::Address | Kind::Driver | Kind::Boot | Kind::Guest => None,
        });
        if let (Some(id), false) = (id, by_address) {
            by_id.entry(id).or_default().push(taken);
        }
    }
    let mut hazards = Vec::new();
    for (id, taken) in by_id {
        let mut cards: Vec<_> =
            taken.iter().map(|it| it.device.physfn.unwrap_or(it.device.address)).collect();
        cards.sort_unstable();
        cards.dedup();
        if cards.len() < 2 {
            continue;
        }
        let addresses: Vec<String> = taken.iter().map(|it| it.device.address.to_string()).collect();
        let message = format!(
            "{id} is the id of {} devices, and all of them leave their drivers: {}. Use driver_binding for one",
            addresses.len(),
            addresses.join(", ")
        );
        let text = id.to_string();
        let mut identity = vec![text.as_str()];
        identity.extend(addresses.iter().map(String::as_str));
        let modalias = |it: &&Rebinding| {
            let path = crate::machine::pci_bus::directory(it.device.address).join("modalias");
            let driver = it.device.driver.as_deref().unwrap_or("no driver");
            format!("{} is {} ({driver})", path.display(), it.device.modalias.trim_end())
        };
        let causes = taken.first().into_iter().flat_map(|it| it.causes.iter().map(|it| it.evidence.clone()));
        let hazard = Hazard::new(NAME, Severity::Refuse, &identity, message).on(&text);
        hazards.push(hazard.shown_by(taken.iter().map(modalias)).shown_by(causes));
    }
    Ok(hazards)
}
