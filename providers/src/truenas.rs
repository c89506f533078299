//! TrueNAS SCALE: Debian below, whose files an update replaces; the middleware writes those that boot.

use std::path::Path;

use hoststate_abi::host_view::HostView;
use hoststate_core::error::{Error, Result};
use hoststate_core::formats::mount_table::parse_fstab;
use hoststate_core::formats::os_release::OsRelease;
use hoststate_core::machine::kernels;
use hoststate_core::mechanism::distro::Distro;

/// The client of the middleware.
const MIDCLT: &str = "/usr/bin/midclt";

/// Refuses it with the commands that do the same.
pub(crate) fn detect(_: &OsRelease, host: &HostView) -> Result<Option<Distro>> {
    if !host.exists(Path::new(MIDCLT))? {
        return Ok(None);
    }
    let Some(shown) = mark(host)? else { return Ok(None) };
    Err(Error::Unsupported {
        what: format!(
            "this host is TrueNAS SCALE ({MIDCLT} and {shown}), whose updates replace the files of the system"
        ),
        hint: "Run `midclt call system.advanced.update '{\"kernel_extra_options\": \"…\"}'` for kernel parameters and \
               `midclt call system.advanced.update_gpu_pci_ids '[\"0000:01:00.0\"]'` to isolate a GPU (System > \
               Advanced Settings); whatever else a boot should run is an init script there."
            .to_owned(),
    })
}

/// Returns what shows beside the client that it is the appliance.
fn mark(host: &HostView) -> Result<Option<String>> {
    for path in ["/data/manifest.json", "/data/freenas-v1.db", "/data/factory-v1.db"] {
        if host.exists(Path::new(path))? {
            return Ok(Some(path.to_owned()));
        }
    }
    let mounts = host.read_lossy(Path::new("/proc/mounts"))?.unwrap_or_default();
    let root =
        parse_fstab(&mounts).into_iter().find(|it| it.point == "/" && it.source.starts_with("boot-pool/"));
    if let Some(root) = root {
        return Ok(Some(format!("/ is {}", root.source)));
    }
    let installed = kernels::installed(host)?;
    let kernel = installed.0.iter().find(|it| it.contains("truenas"));
    Ok(kernel.map(|it| format!("the kernel {it}")))
}
