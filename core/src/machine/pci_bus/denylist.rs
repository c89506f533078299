//! Devices that vfio-pci refuses by their ids, and what lifts that.

use hoststate_abi::host_view::HostView;

use super::PciDevice;
use crate::error::Result;
use crate::formats::kernel_cmdline::Cmdline;
use crate::machine::kernels;
use crate::machine::module_switch::ModuleSwitch;

/// Devices of Intel that vfio-pci refuses, for they break the isolation that it is for, and since which Linux
/// (drivers/vfio/pci/vfio_pci.c, `vfio_pci_dev_in_denylist`): QuickAssist, then the accelerators DSA and IAX.
const DENIED: [(u16, (u32, u32)); 8] = [
    (0x19e2, (5, 9)),
    (0x19e3, (5, 9)),
    (0x37c8, (5, 9)),
    (0x37c9, (5, 9)),
    (0x0435, (5, 9)),
    (0x0443, (5, 9)),
    (0x0b25, (6, 9)),
    (0x0cfe, (6, 9)),
];

/// Whether vfio-pci takes a device in spite of its list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Denial {
    /// It is not on the list, or the list is not heeded.
    None,
    /// The next boot does not heed the list, which the loaded module does.
    UntilBoot,
    /// It is refused.
    Refused,
}

/// Returns whether vfio-pci of a kernel refuses a device by its denylist.
pub fn denies(device: &PciDevice, release: &str) -> bool {
    let is_its = |it: &&(u16, (u32, u32))| u32::from(it.0) == device.id.device;
    device.id.vendor == 0x8086
        && DENIED.iter().find(is_its).is_some_and(|it| !kernels::is_older(release, it.1))
}

/// Returns whether vfio-pci of the running kernel takes a device; `future` is the command line of the next boot.
///
/// # Errors
/// When the host cannot be read.
pub fn denial(host: &HostView, future: &dyn Fn() -> Result<Cmdline>, device: &PciDevice) -> Result<Denial> {
    let release = kernels::running(host)?;
    if !release.is_some_and(|it| denies(device, &it)) {
        return Ok(Denial::None);
    }
    let switch = ModuleSwitch::read(host, &future()?, "vfio_pci", "disable_denylist")?;
    Ok(match (switch.is_on(), switch.when_loaded) {
        (true, _) => Denial::None,
        (false, true) => Denial::UntilBoot,
        (false, false) => Denial::Refused,
    })
}

/// Says that a device is refused, and what lifts that.
pub fn refusal(device: &PciDevice) -> String {
    format!(
        "{:04x}:{:04x} is on the denylist of vfio-pci: such a device can reach memory that is not its guest's. Where the \
         guest is trusted, modprobe_options {{ module = \"vfio_pci\", options = {{ disable_denylist = 1 }} }} lifts it",
        device.id.vendor, device.id.device
    )
}
