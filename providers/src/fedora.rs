//! Fedora and those near it that are no rebuild of RHEL: boot entries and dracut.

use hoststate_abi::host_view::HostView;
use hoststate_core::error::Result;
use hoststate_core::formats::os_release::OsRelease;
use hoststate_core::mechanism::distro::Distro;

use crate::centos;

/// Recognises Fedora and those that say they are like it.
pub(crate) fn detect(release: &OsRelease, host: &HostView) -> Result<Option<Distro>> {
    if !release.is_like("fedora") {
        return Ok(None);
    }
    centos::distro(release, host).map(Some)
}
