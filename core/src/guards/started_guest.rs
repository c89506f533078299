//! `started-guest`: a guest that is started at boot takes a device that the plan keeps for the host.

use crate::error::Result;
use crate::guards::{rebinding, second_owner};
use crate::machine::guests;
use crate::machine::pci_bus;
use crate::plan::scene::{Hazard, Scene, Severity};

const NAME: &str = "started-guest";

/// Finds guests that take a physical function whose virtual ones the plan makes, or a device that it gives to a driver of
/// the host; and those that need a virtual function of which the plan leaves none.
///
/// # Errors
/// When the host cannot be read.
pub fn hazards(scene: Scene<'_>) -> Result<Vec<Hazard>> {
    let guests = guests::started_at_boot(scene.after)?;
    if guests.is_empty() || scene.changes.is_empty() {
        return Ok(Vec::new());
    }
    let counts = second_owner::wanted_counts(scene)?;
    let rebindings = rebinding::rebindings(scene)?;
    let of_host =
        rebindings.all.iter().filter(|it| it.is_planned() && it.to.is_some() && !it.is_for_guests());
    let mut wanted = Vec::new();
    for (device, count) in counts.iter().filter(|it| it.1 != "0") {
        wanted.push((
            device.address,
            format!("the plan makes {count} virtual functions of it, which go with it"),
        ));
    }
    wanted.extend(
        of_host.filter_map(|it| {
            Some((it.device.address, format!("the plan gives it to {}", it.to.as_deref()?)))
        }),
    );
    let mut hazards = Vec::new();
    for guest in &guests {
        for (address, what) in wanted.iter().filter(|it| guest.devices.contains(&it.0)) {
            let message =
                format!("the guest {} is started at boot and takes {address}, and {what}", guest.name);
            let address_text = address.to_string();
            let identity = [guest.name.as_str(), &address_text, what];
            let hazard = Hazard::new(NAME, Severity::Refuse, &identity, message).on(address);
            hazards.push(hazard.shown_by([rebinding::taken_by(guest, *address)]));
        }
        for (device, count) in &counts {
            let count: usize = count.parse().unwrap_or(usize::MAX);
            for (index, address) in device.virtfns.iter().enumerate().skip(count) {
                if !guest.devices.contains(address) {
                    continue;
                }
                let message = format!(
                    "the guest {} is started at boot and needs {address}, which disappears when {} has \
                     {count} virtual functions",
                    guest.name, device.address
                );
                let texts = [address.to_string(), count.to_string()];
                let identity = [guest.name.as_str(), &texts[0], &texts[1]];
                let link = pci_bus::directory(device.address).join(format!("virtfn{index}"));
                let hazard = Hazard::new(NAME, Severity::Refuse, &identity, message).on(device.address);
                let shown = format!("{} is {address}", link.display());
                hazards.push(hazard.shown_by([rebinding::taken_by(guest, *address), shown]));
            }
        }
    }
    Ok(hazards)
}
