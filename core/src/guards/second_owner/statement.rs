//! What others say of cards: each with who says it, what it sets, and of which cards.

use hoststate_abi::host_view::HostView;

use crate::error::Result;
use crate::formats::fnmatch;
use crate::machine::identity;
use crate::machine::pci_bus::PciDevice;

/// A card that somebody may mean.
pub(super) struct Card<'a> {
    pub(super) device: &'a PciDevice,
    /// The hardware addresses of its interfaces, lower case: those they have, and those they were made with.
    macs: Vec<String>,
}

/// Something of the host that sets a number of virtual functions or a driver.
pub(super) struct Statement {
    /// Who, for a sentence: `a udev rule`, `NetworkManager`, …
    pub(super) who: &'static str,
    /// What it sets: a number or a driver; `None` where that cannot be read off.
    pub(super) sets: Option<String>,
    /// Where a person can see it.
    pub(super) evidence: String,
    /// Whether it leaves the setting to others, and only needs it.
    pub(super) is_invitation: bool,
    /// Whether it is of a card.
    pub(super) is_of: Box<dyn Fn(&Card<'_>) -> bool>,
}

impl<'a> Card<'a> {
    pub(super) fn read(host: &HostView, device: &'a PciDevice) -> Result<Self> {
        let mut macs = Vec::new();
        for interface in &device.interfaces {
            let own = identity::permanent_mac(host, device, interface)?;
            macs.extend(interface.mac.clone().into_iter().chain(own));
        }
        Ok(Self { device, macs })
    }

    /// Returns whether a pattern fits the name of one of its interfaces.
    pub(super) fn is_named(&self, pattern: &str) -> bool {
        self.device.interfaces.iter().any(|it| fnmatch::matches(pattern, &it.name))
    }

    /// Returns whether one of its interfaces has a hardware address, however it is written.
    pub(super) fn has_mac(&self, mac: &str) -> bool {
        let plain = mac.trim().to_ascii_lowercase().replace('-', ":");
        self.macs.contains(&plain)
    }

    /// Returns whether a pattern fits its driver.
    pub(super) fn has_driver(&self, pattern: &str) -> bool {
        self.device.driver.as_deref().is_some_and(|it| fnmatch::matches(pattern, it))
    }

    /// Returns whether a text is its address, with or without the domain.
    pub(super) fn is_at(&self, text: &str) -> bool {
        let address = self.device.address.to_string();
        let text = text.to_ascii_lowercase();
        address == text || address.strip_prefix("0000:") == Some(text.as_str())
    }
}
