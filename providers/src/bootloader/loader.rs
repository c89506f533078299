//! What the table of loaders holds: how each shows, and what hoststate does with a host that it boots.

use hoststate_core::error::Result;
use hoststate_core::mechanism::distro::Bootloader;

use super::signs::Signs;

/// A program that starts kernels.
pub(crate) struct Loader {
    /// Its name in sentences: `GRUB 2`, `systemd-boot`, …
    pub(crate) name: &'static str,
    /// Returns what of the running boot shows that it started the kernel.
    pub(super) booted: fn(&Signs<'_>) -> Result<Option<String>>,
    /// Returns which of its files shows that it is set up.
    pub(super) files: fn(&Signs<'_>) -> Result<Option<String>>,
    /// Returns what of the running boot shows that it did *not* start the kernel.
    pub(super) contradicted: fn(&Signs<'_>) -> Result<Option<String>>,
    /// Returns the mechanism of such a host: one that is operated, or one that names what shows the loader, which is
    /// given, and what the host wants instead.
    pub(super) mechanism: fn(&Signs<'_>, &str) -> Result<Box<dyn Bootloader>>,
}

/// Nothing: for loaders of which the running boot, or a file, never tells.
///
/// # Errors
/// Never.
pub(super) fn nothing(_: &Signs<'_>) -> Result<Option<String>> {
    Ok(None)
}
