//! Which mechanisms a Linux distribution uses.
//!
//! A distribution is a value made of mechanisms. Its name only picks among candidates: what is installed and what
//! booted the host decide.

use std::path::Path;

use hoststate_abi::host_view::HostView;
use hoststate_core::error::{Error, Result};
use hoststate_core::formats::os_release::OsRelease;
use hoststate_core::mechanism::distro::Distro;

mod bootloader;
mod centos;
mod debian;
mod fedora;
mod initramfs;
mod live;
mod nixos;
mod suse;
#[cfg(test)]
mod testing;
#[cfg(test)]
mod tests;
mod truenas;
mod ubuntu;
mod xcp_ng;

/// Recognises a distribution by its release file; `None`: it is another one.
type Detect = fn(&OsRelease, &HostView) -> Result<Option<Distro>>;

/// THE TABLE of distributions. The first that recognises a host is it, so a distribution stands before its kin.
const DISTROS: &[Detect] = &[
    live::detect,
    nixos::detect,
    truenas::detect,
    xcp_ng::detect,
    suse::detect,
    ubuntu::detect,
    debian::detect,
    centos::detect,
    fedora::detect,
];

/// Returns what a host is and which mechanisms it uses.
///
/// A host whose boot loader must be changed by another tool still is a distribution, because modprobe.d works there:
/// the methods of its boot loader return [`Error::Unsupported`] with the command that host wants.
///
/// # Errors
/// [`Error::Unsupported`] when nobody knows the distribution, or all of its files belong to another tool (NixOS);
/// [`Error::Io`] when a file that tells cannot be read.
pub fn detect(host: &HostView) -> Result<Distro> {
    let release = release(host)?;
    for detect in DISTROS {
        if let Some(distro) = detect(&release, host)? {
            return Ok(distro);
        }
    }
    Err(Error::Unsupported {
        what: format!(
            "{} (ID={}) is not a distribution that hoststate knows",
            release.pretty_name, release.id
        ),
        hint: "It knows Debian, Ubuntu, CentOS, RHEL, Fedora, and those that name one of them in ID_LIKE of \
               /etc/os-release."
            .to_owned(),
    })
}

/// Reads the release file: os-release, or what was there before it (CentOS 6, SLES 11).
fn release(host: &HostView) -> Result<OsRelease> {
    for path in ["/etc/os-release", "/usr/lib/os-release"] {
        if let Some(release) = host.parsed(Path::new(path), OsRelease::parse)? {
            return Ok(OsRelease::clone(&release));
        }
    }
    let text = host.read_lossy(Path::new("/etc/redhat-release"))?;
    if let Some(release) = text.as_deref().and_then(OsRelease::redhat_release) {
        return Ok(release);
    }
    let text = host.read_lossy(Path::new("/etc/SuSE-release"))?;
    if let Some(release) = text.as_deref().and_then(OsRelease::suse_release) {
        return Ok(release);
    }
    let text = host.read_lossy(Path::new("/etc/debian_version"))?;
    if let Some(release) = text.as_deref().and_then(OsRelease::debian_version) {
        return Ok(release);
    }
    Err(Error::Unsupported {
        what: format!("{} has no /etc/os-release", host.root().display()),
        hint: "Give the root of a Linux host with --root; a partition that holds only /boot is not enough."
            .to_owned(),
    })
}
