//! NixOS: every file below `/etc` is made from a configuration, so nothing is edited there.

use std::path::Path;

use hoststate_abi::host_view::HostView;
use hoststate_core::error::{Error, Result};
use hoststate_core::formats::os_release::OsRelease;
use hoststate_core::mechanism::distro::Distro;

/// Refuses NixOS with the options that do the same.
pub(crate) fn detect(release: &OsRelease, host: &HostView) -> Result<Option<Distro>> {
    if !release.is_like("nixos") && !host.exists(Path::new("/etc/NIXOS"))? {
        return Ok(None);
    }
    Err(Error::Unsupported {
        what: "this host is NixOS, which makes its files from its configuration".to_owned(),
        hint: "Set boot.kernelParams, boot.extraModprobeConfig and boot.initrd.kernelModules in configuration.nix and \
               run `nixos-rebuild boot`."
            .to_owned(),
    })
}
