//! The only keyboard, where a passphrase is typed while the host boots.

use std::path::{Path, PathBuf};

use hoststate_abi::host_view::HostView;

use super::{Kind, Need};
use crate::error::Result;
use crate::machine::pci_bus;

/// What the kernel knows of input devices.
const INPUTS: &str = "/proc/bus/input/devices";

/// Events of a keyboard: keys that repeat, and lamps (include/uapi/linux/input-event-codes.h). A power button has keys
/// only.
const OF_KEYBOARDS: u64 = 1 << 1 | 1 << 17 | 1 << 20;

/// Options of crypttab(5) by which nobody types anything.
const UNATTENDED: [&str; 6] = ["tpm2-device", "fido2-device", "pkcs11-uri", "noauto", "keyscript", "clevis"];

/// Returns the need of the only keyboard; none where no passphrase is asked for, and where there are several.
pub(super) fn find(host: &HostView) -> Result<Option<Need>> {
    let Some(why) = asks(host)? else { return Ok(None) };
    let mut controllers = Vec::new();
    let mut need = Need::new(Kind::Keyboard, "keyboard", "the only keyboard");
    for path in keyboards(host)? {
        // A keyboard that hangs on no PCI device (i8042) stays whatever happens to those.
        let Some(controller) = pci_bus::above(host, &path)?.first().copied() else { return Ok(None) };
        need.evidence.push(format!("{INPUTS}: {} is a keyboard, below {controller}", path.display()));
        if !controllers.contains(&controller) {
            controllers.push(controller);
        }
    }
    if controllers.len() != 1 {
        return Ok(None);
    }
    need.devices = controllers;
    need.evidence.push(why);
    Ok(Some(need))
}

/// Returns what shows that a passphrase is typed at boot.
fn asks(host: &HostView) -> Result<Option<String>> {
    let path = "/etc/crypttab";
    let text = host.read_lossy(Path::new(path))?.unwrap_or_default();
    for (index, line) in text.lines().enumerate() {
        let mut fields = line.split_whitespace();
        let Some(name) = fields.next().filter(|it| !it.starts_with('#')) else { continue };
        let (key, options) = (fields.nth(1).unwrap_or("none"), fields.next().unwrap_or_default());
        let is_typed = matches!(key, "none" | "-" | "");
        if is_typed && !UNATTENDED.iter().any(|it| options.contains(it)) {
            return Ok(Some(format!("{path}:{}: {name} is opened with a passphrase", index + 1)));
        }
    }
    Ok(None)
}

fn keyboards(host: &HostView) -> Result<Vec<PathBuf>> {
    let text = host.read_lossy(Path::new(INPUTS))?.unwrap_or_default();
    let mut keyboards = Vec::new();
    for device in text.split("\n\n") {
        let field = |name: &str| device.lines().find_map(|it| it.strip_prefix(name));
        let events = field("B: EV=").and_then(|it| u64::from_str_radix(it.trim(), 16).ok()).unwrap_or(0);
        if let Some(path) = field("S: Sysfs=").filter(|_| events & OF_KEYBOARDS == OF_KEYBOARDS) {
            keyboards.push(Path::new("/sys").join(path.trim().trim_start_matches('/')));
        }
    }
    Ok(keyboards)
}
