//! `network-path`: the card that carries the default route or an SSH connection leaves its driver, or is made to reset
//! itself or to drop the virtual function in use.

use crate::error::Result;
use crate::guards::{rebinding, second_owner};
use crate::machine::needs::{self, Kind, Need};
use crate::machine::pci_bus;
use crate::plan::scene::{Hazard, Scene, Severity};

const NAME: &str = "network-path";

/// Drivers that reset the physical function when virtual ones are made: i40e to enter VEB mode
/// (`i40e_pci_sriov_configure`), ixgbe to set its pools up (`ixgbe_pci_sriov_enable`).
const RESETTING: [&str; 2] = ["i40e", "ixgbe"];

/// Finds cards whose loss cuts the host off.
///
/// # Errors
/// When `/proc/net` or `/sys/class/net` cannot be read.
pub fn hazards(scene: Scene<'_>) -> Result<Vec<Hazard>> {
    let rebindings = rebinding::rebindings(scene)?;
    let counts = scene.counts();
    if rebindings.all.is_empty() && scene.changes.is_empty() {
        return Ok(Vec::new());
    }
    let needs = needs::of(scene.before)?;
    let carriers: Vec<&Need> = needs.iter().filter(|it| it.kind == Kind::Network).collect();
    let mut hazards = Vec::new();
    for taken in &rebindings.all {
        let address = taken.device.address;
        // A virtual function goes with its physical one.
        let hit: Vec<&Need> = carriers.iter().copied().filter(|it| it.hangs_on(address)).collect();
        if hit.is_empty() {
            continue;
        }
        let goes = if hit.iter().any(|it| it.is_certain) { "goes" } else { "may go" };
        let message = format!("{address} {}, and {} {goes} over it", taken.what(), purposes(&hit));
        let identity = taken.identity();
        let mut identity: Vec<&str> = identity.iter().map(String::as_str).collect();
        identity.extend(hit.iter().map(|it| it.name.as_str()));
        let hazard = Hazard::new(NAME, Severity::Refuse, &identity, message).on(address);
        hazards.push(hazard.shown_by(needs::evidence(hit.iter().copied())).shown_by(taken.evidence()));
    }
    for (address, path, value) in counts {
        let Some(device) = pci_bus::device(scene.before, address)? else { continue };
        let now = device.sriov.map_or(0, |it| it.numvfs);
        // Existing functions are all removed on the way to another count.
        let of_servers = needs.iter().filter(|it| it.kind == Kind::Storage);
        let all: Vec<&Need> = carriers.iter().copied().chain(of_servers).collect();
        let lost: Vec<&Need> =
            all.iter().copied().filter(|it| now > 0 && it.functions.contains(&address)).collect();
        let own: Vec<&Need> = all.into_iter().filter(|it| it.devices.contains(&address)).collect();
        let driver = device.driver.clone().unwrap_or_default();
        let (hit, severity, what) = if !lost.is_empty() {
            (lost, Severity::Refuse, "its virtual functions are removed")
        } else if RESETTING.contains(&driver.as_str()) {
            (own, Severity::Refuse, "its driver resets the card for that")
        } else {
            (own, Severity::Warn, "many drivers take the link down for a moment then")
        };
        if hit.is_empty() {
            continue;
        }
        let message =
            format!("{address} gets {value} virtual functions: {what}, and {} goes over it", purposes(&hit));
        let (address_text, now_text) = (address.to_string(), now.to_string());
        let mut identity: Vec<&str> = vec![&address_text, &driver, &now_text, value];
        identity.extend(hit.iter().map(|it| it.name.as_str()));
        let written = format!("{} is {now}; {value} is written there", path.display());
        let link = pci_bus::directory(address).join("driver");
        let hazard = Hazard::new(NAME, severity, &identity, message)
            .on(address)
            .shown_by(needs::evidence(hit.iter().copied()));
        hazards.push(hazard.shown_by([format!("{} is {driver}", link.display()), written]));
    }
    for (device, count) in second_owner::wanted_counts(scene)? {
        let driver = device.driver.as_deref().unwrap_or_default();
        let now = device.sriov.map_or(0, |it| it.numvfs).to_string();
        // At boot the rule makes them while the root file system is in use already.
        let hit: Vec<&Need> = needs
            .iter()
            .filter(|it| it.kind == Kind::Storage && it.devices.contains(&device.address))
            .collect();
        let is_told = hazards.iter().any(|it| it.device.as_deref() == Some(&device.address.to_string()));
        if hit.is_empty() || is_told || now == count || !RESETTING.contains(&driver) {
            continue;
        }
        let address = device.address;
        let message = format!(
            "{address} gets {count} virtual functions: its driver resets the card for that, and {} goes over it",
            purposes(&hit)
        );
        let address_text = address.to_string();
        let mut identity: Vec<&str> = vec![&address_text, driver, &now, &count];
        identity.extend(hit.iter().map(|it| it.name.as_str()));
        let link = pci_bus::directory(address).join("driver");
        let hazard = Hazard::new(NAME, Severity::Refuse, &identity, message)
            .on(address)
            .shown_by(needs::evidence(hit.iter().copied()));
        hazards.push(hazard.shown_by([format!("{} is {driver}", link.display())]));
    }
    Ok(hazards)
}

fn purposes(hit: &[&Need]) -> String {
    let mut purposes: Vec<&str> = Vec::new();
    for purpose in hit.iter().flat_map(|it| &it.uses) {
        if !purposes.contains(&purpose.as_str()) {
            purposes.push(purpose);
        }
    }
    purposes.join(" and ")
}
