//! Others that set numbers of virtual functions, and the parameters of drivers that do.

use super::statement::{Card, Statement};
use super::{commands, declarations, link_files, netplan, network_manager, rules};
use crate::error::Result;
use crate::machine::pci_bus::makers::{self, Parameter};
use crate::plan::scene::Scene;

/// Returns what others say of numbers of virtual functions.
pub(super) fn statements(scene: Scene<'_>) -> Result<Vec<Statement>> {
    let mut all = rules::counts(scene)?;
    all.extend(link_files::counts(scene)?);
    all.extend(network_manager::counts(scene)?);
    all.extend(netplan::counts(scene)?);
    all.extend(declarations::counts(scene)?);
    all.extend(commands::counts(scene)?);
    Ok(all)
}

/// Returns what only the card tells: the parameter of its driver that makes functions, and the tool of its vendor.
pub(super) fn of_card(scene: Scene<'_>, card: &Card<'_>) -> Result<Vec<Statement>> {
    let mut all = Vec::new();
    if let Some(Parameter { name, value, place, module }) = makers::parameter(scene.after, card.device)? {
        // A list has one number for each port.
        let sets = (!value.contains([',', ';'])).then(|| value.clone());
        all.push(Statement {
            who: match name {
                "num_vfs" => "the module's parameter num_vfs",
                _ => "the module's parameter max_vfs",
            },
            sets,
            evidence: format!("{place} has the option {name}={value} of {module}"),
            is_invitation: false,
            is_of: Box::new(|_| true),
        });
    }
    all.extend(commands::of_nvidia(scene, card.device)?);
    Ok(all)
}
