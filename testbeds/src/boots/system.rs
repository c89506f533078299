//! What is booted.

use clap::ValueEnum;

/// What is booted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum System {
    /// Debian 12 with initramfs-tools
    #[value(name = "debian-12")]
    Debian12,
    /// Debian 12 with dracut
    #[value(name = "debian-12-dracut")]
    Debian12Dracut,
    /// Debian 13 with initramfs-tools
    #[value(name = "debian-13")]
    Debian13,
    /// Ubuntu 22.04: vfio-pci is built in, and the IOMMU is on by itself
    #[value(name = "ubuntu-22.04")]
    Ubuntu2204,
}

impl System {
    /// The name of its image.
    pub(crate) fn image(self) -> &'static str {
        match self {
            Self::Debian12 => "boots-debian-12",
            Self::Debian12Dracut => "boots-debian-12-dracut",
            Self::Debian13 => "boots-debian-13",
            Self::Ubuntu2204 => "boots-ubuntu-22.04",
        }
    }

    pub(super) fn has_dracut(self) -> bool {
        self == Self::Debian12Dracut
    }
}
