//! Hosts whose boot entries belong to a tool of the whole system, whatever loader starts the kernel.

use std::path::Path;

use hoststate_abi::host_view::HostView;
use hoststate_core::error::Result;

use super::unsupported::Unsupported;

/// Returns the tool that owns the boot entries of this host, with what it wants.
///
/// # Errors
/// When a file that tells cannot be read.
pub(crate) fn owner(host: &HostView) -> Result<Option<Unsupported>> {
    let exists = |path: &str| host.exists(Path::new(path));
    let refuse = |name, what: &str, hint: &str| {
        Ok(Some(Unsupported { name, what: what.to_owned(), hint: hint.to_owned() }))
    };
    let booted = host.attribute(Path::new("/proc/cmdline"))?.unwrap_or_default();
    if !exists("/run/ostree-booted")? && !booted.contains("ostree=") && !exists("/sysroot/ostree")? {
        return Ok(None);
    }
    if !exists("/usr/bin/rpm-ostree")? && (exists("/usr/bin/bootc")? || exists("/usr/lib/bootc")?) {
        return refuse(
            "bootc",
            "this host is a bootc image (/usr/lib/bootc, ostree), its boot entries belong to bootc",
            "Put `kargs = [\"…\"]` into /usr/lib/bootc/kargs.d/NAME.toml of the image and run `bootc upgrade`.",
        );
    }
    refuse(
        "ostree",
        "this host is deployed by ostree (/run/ostree-booted, ostree=), its boot entries belong to rpm-ostree",
        "Run `rpm-ostree kargs --append-if-missing=…`; for the initramfs `rpm-ostree initramfs-etc --track=/etc/modprobe.d`.",
    )
}
