//! XCP-ng and XenServer: CentOS below, but Xen rules the machine, and their own tools write the boot menu.

use std::path::Path;

use hoststate_abi::host_view::HostView;
use hoststate_core::error::{Error, Result};
use hoststate_core::formats::os_release::OsRelease;
use hoststate_core::mechanism::distro::Distro;

/// What only their dom0 has.
const MARKS: [&str; 3] =
    ["/opt/xensource/libexec/xen-cmdline", "/opt/xensource/bin/xapi", "/etc/xensource-inventory"];

/// Refuses them with the command that does the same.
///
/// `grub-mkconfig` is there and must never run: made from the defaults, the first entry would start Linux without Xen.
pub(crate) fn detect(release: &OsRelease, host: &HostView) -> Result<Option<Distro>> {
    let mut shown = None;
    for mark in MARKS {
        if shown.is_none() && host.exists(Path::new(mark))? {
            shown = Some(format!("{mark} is there"));
        }
    }
    if ["xenenterprise", "xcp-ng", "xenserver"].contains(&release.id.as_str()) {
        shown.get_or_insert_with(|| format!("ID={} in os-release", release.id));
    }
    let Some(shown) = shown else { return Ok(None) };
    Err(Error::Unsupported {
        what: format!(
            "{} is the dom0 of XCP-ng or XenServer ({shown}), whose boot menu is written by its own tools",
            release.pretty_name
        ),
        hint: "Run `/opt/xensource/libexec/xen-cmdline --set-dom0 \"xen-pciback.hide=(0000:01:00.0)\"` to keep a \
               device for virtual machines, `--set-dom0` with other parameters for the kernel, `--set-xen` for Xen; \
               then reboot."
            .to_owned(),
    })
}
