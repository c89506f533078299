//! Virtual functions that a driver makes by a parameter of its module, when it is loaded, and by nothing else.

use hoststate_abi::activation::Activation;
use hoststate_abi::host_view::HostView;
use hoststate_abi::setting::{Disruption, Remedy, Setting, State};

use super::{attribute, is_before_sriov_numvfs};
use crate::error::Result;
use crate::machine::pci_bus::PciDevice;
use crate::machine::pci_bus::makers::{self, Parameter, Way};

/// Returns the parameter, where nothing else makes functions: of a driver that knows no `sriov_numvfs`, or of a kernel
/// that has none, as long as it is set. Without it that kernel's error says what to declare.
pub(super) fn name(host: &HostView, device: &PciDevice) -> Result<Option<&'static str>> {
    if let Way::Parameter(name) = makers::way(host, device)? {
        return Ok(Some(name));
    }
    if device.sriov.is_some() || device.physfn.is_some() || !is_before_sriov_numvfs(host)? {
        return Ok(None);
    }
    Ok(makers::parameter(host, device)?.map(|it| it.name))
}

/// Compares the parameter and the functions that are there with those wanted.
pub(super) fn setting(
    host: &HostView,
    device: &PciDevice,
    name: &'static str,
    wanted: u16,
) -> Result<Setting> {
    let there = device.sriov.map_or(device.virtfns.len(), |it| usize::from(it.numvfs));
    let parameter = makers::parameter(host, device)?;
    let number = parameter.as_ref().map_or(Some(0), Parameter::number);
    let (actual, desired) = (Some(there.to_string()), Some(wanted.to_string()));
    let is_told = number == Some(u32::from(wanted));
    let state = if is_told && there == usize::from(wanted) {
        State::Converged
    } else if is_told {
        State::Drifted { actual, desired, remedy: Remedy::Activation(Activation::Reboot) }
    } else {
        let driver = device.driver.as_deref().unwrap_or_default();
        let tells = match &parameter {
            Some(it) => format!("{} tells it {name}={}", it.place, it.value),
            None => "nothing tells it how many".to_owned(),
        };
        let reason = format!(
            "{driver} takes no number by sriov_numvfs: it makes virtual functions when its module is loaded, and {tells}. \
             Declare modprobe_options {{ module = \"{driver}\", options = {{ {name} = {wanted} }} }}, which the initramfs \
             needs as well where it has that driver"
        );
        State::Blocked { actual, desired, by: parameter.map(|it| it.place), reason }
    };
    Ok(Setting::runtime(attribute(device.address, "sriov_numvfs"), Disruption::Reboot, state))
}
