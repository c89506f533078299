//! The link of the next boot, and the one sentence that the chain comes to.

use super::{Case, Link, Standing};
use crate::next_boot::fate::{Certainty, Fate};

/// What the next boot makes of the device.
pub(super) fn boot(case: &Case<'_>, fate: &Fate) -> Link {
    let stage = fate.stage.map(|it| format!(" {it}")).unwrap_or_default();
    let driver = fate.next.as_deref().unwrap_or("no driver");
    let (standing, finding) = match &fate.certainty {
        Certainty::Race { with } => (
            Standing::Unknown,
            format!("{driver} and {with} are loaded at the same time, and the first takes it"),
        ),
        Certainty::Unknown { reason } => (Standing::Unknown, format!("what takes it is not known: {reason}")),
        Certainty::Certain if case.wanted.is_some() && fate.next != case.wanted => {
            (Standing::Blocks, format!("{driver} takes it{stage}"))
        }
        Certainty::Certain if fate.changes() => (Standing::Waits, format!("{driver} takes it{stage}")),
        Certainty::Certain => (Standing::Ok, format!("{driver} takes it{stage}")),
    };
    let finding = match &fate.next {
        None if standing != Standing::Unknown => "nothing takes it".to_owned(),
        _ => finding,
    };
    Link::new("next boot", standing, finding, fate.because.clone())
}

/// Returns why it is or will not be on the wanted driver, and what to do.
pub(super) fn conclusion(case: &Case<'_>, links: &[Link], fate: &Fate, planned: Option<&Fate>) -> String {
    let address = case.device.address;
    let now = case.device.driver.as_deref();
    let is_on = format!("{address} is on {}", now.unwrap_or("no driver"));
    let Some(wanted) = case.wanted.as_deref() else {
        return match (now, &fate.certainty) {
            (Some(driver), Certainty::Certain) if fate.next.is_none() => {
                format!("{address} is on {driver}, and nothing takes it at the next boot: {}.", reasons(fate))
            }
            (Some(driver), _) => {
                format!("{address} is on {driver}, and nothing on this host wants another driver for it.")
            }
            (None, _) => format!("{address} has no driver, and nothing on this host wants one for it."),
        };
    };
    let is_there = now == Some(wanted);
    let comes = fate.next.as_deref() == Some(wanted);
    let block = links.iter().find(|it| it.standing == Standing::Blocks);
    let claimed = case.claim.as_ref().and_then(|it| it.to.as_deref()) == Some(wanted);
    match (&fate.certainty, is_there, comes) {
        (Certainty::Certain, true, true) => match block {
            Some(link) => format!("{address} is on {wanted}; {}: {}.", link.what, link.finding),
            None => format!("{address} is on {wanted}, as wanted."),
        },
        (Certainty::Certain, false, true) => format!("{is_on}, and will be on {wanted} after a boot."),
        (Certainty::Race { with }, ..) => {
            let first = fate.next.as_deref().unwrap_or("no driver");
            format!(
                "{is_on}; at the next boot {first} and {with} are loaded at the same time, and the first takes it."
            )
        }
        (Certainty::Unknown { reason }, ..) => match block {
            Some(link) if !is_there => {
                format!("{address} will not be on {wanted}: {}: {}.", link.what, link.finding)
            }
            _ if is_there => {
                format!(
                    "{address} is on {wanted}, as wanted; whether it will be after a boot is not known: {reason}."
                )
            }
            _ => format!("{is_on}; whether {wanted} gets it at the next boot is not known: {reason}."),
        },
        (Certainty::Certain, true, false) => {
            let next = fate.next.as_deref().unwrap_or("no driver");
            format!("{address} is on {wanted}, and will be on {next} after a boot: {}.", reasons(fate))
        }
        (Certainty::Certain, false, false) => match block {
            Some(link) => format!("{address} will not be on {wanted}: {}: {}.", link.what, link.finding),
            None if claimed => format!("{address} will not be on {wanted} after a boot: {}.", reasons(fate)),
            None if case.by_playbook => {
                let yet = format!(
                    "{is_on}, and nothing on this host gives it to {wanted} yet: converge the playbook."
                );
                match planned.filter(|it| it.is_certain() && it.next.as_deref() != Some(wanted)) {
                    Some(planned) => {
                        format!(
                            "{yet} Even so it will not be on {wanted} after a boot: {}.",
                            reasons(planned)
                        )
                    }
                    None => yet,
                }
            }
            None => format!(
                "{is_on}, and nothing gives it to {wanted}: declare driver_binding {{ device = \"{address}\", driver = \
                 \"{wanted}\" }}."
            ),
        },
    }
}

/// What brings the fate about, in one clause.
fn reasons(fate: &Fate) -> String {
    if fate.because.is_empty() {
        "no driver of this kernel claims it".to_owned()
    } else {
        fate.because.join("; ")
    }
}
