//! Others that set numbers of virtual functions, and the parameters of drivers that do.

use super::statement::{Card, Statement};
use super::{commands, declarations, link_files, netplan, network_manager, rules};
use crate::error::Result;
use crate::machine::pci_bus::makers::{self, Parameter, Way};
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
pub(super) fn of_card(scene: Scene<'_>, card: &Card<'_>, wanted: &str) -> Result<Vec<Statement>> {
    let mut all = Vec::new();
    // Where only the parameter makes functions, it is what the declaration is carried out by.
    let is_means = matches!(makers::way(scene.after, card.device)?, Way::Parameter(_));
    if let Some(parameter) = makers::parameter(scene.after, card.device)? {
        let sets = parameter.number().map(|it| it.to_string());
        let sets_wanted = sets.as_deref() == Some(wanted);
        let Parameter { name, value, place, module } = parameter;
        all.push(Statement {
            who: match name {
                "num_vfs" => "the module's parameter num_vfs",
                _ => "the module's parameter max_vfs",
            },
            sets,
            evidence: format!("{place} has the option {name}={value} of {module}"),
            is_invitation: is_means && sets_wanted,
            is_of: Box::new(|_| true),
        });
    }
    all.extend(commands::of_nvidia(scene, card.device)?);
    Ok(all)
}
