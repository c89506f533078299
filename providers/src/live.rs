//! Live systems, and roots whose changes are kept in memory: what is written there is gone with the power.

use std::path::Path;

use hoststate_abi::host_view::HostView;
use hoststate_core::error::{Error, Result};
use hoststate_core::formats::kernel_cmdline::{Cmdline, Parameter};
use hoststate_core::formats::mount_table::{Mount, parse_fstab, parse_mountinfo};
use hoststate_core::formats::os_release::OsRelease;
use hoststate_core::machine::facts::proc_is_foreign;
use hoststate_core::mechanism::distro::Distro;

/// Where live systems and `overlayroot` keep the layers of their root.
const LAYERS: [&str; 9] = [
    ".squashfs",
    "/cow",
    "/run/live/",
    "/lib/live/",
    "/run/rootfsbase",
    "/run/overlayfs",
    "/run/archiso/",
    "/media/root-r",
    "/run/initramfs/live",
];

/// Refuses them, whatever distribution they are of.
pub(crate) fn detect(_: &OsRelease, host: &HostView) -> Result<Option<Distro>> {
    if proc_is_foreign(host)? {
        return Ok(None);
    }
    let text = host.attribute(Path::new("/proc/cmdline"))?.unwrap_or_default();
    let by_parameter = Cmdline::parse(&text).parameters().find(|it| is_live(it)).map(ToString::to_string);
    let shown = match by_parameter {
        Some(parameter) => format!("{parameter} in /proc/cmdline"),
        None => match root(host)?.filter(is_in_memory) {
            Some(root) => format!("/ is {} of type {}", root.source, root.kind),
            None => return Ok(None),
        },
    };
    Err(Error::Unsupported {
        what: format!("this host is a live system, or keeps the changes of its root in memory ({shown})"),
        hint:
            "What is written here is lost when the power goes. Run hoststate on the installed system: boot \
             it, or mount it and give --root; for overlayroot and its kin see `overlayroot-chroot`."
                .to_owned(),
    })
}

/// Parameters of casper, live-boot, dracut's dmsquash-live, archiso, overlayroot and the Raspberry Pi's overlay.
fn is_live(parameter: &Parameter) -> bool {
    let value = parameter.value().unwrap_or_default();
    match parameter.name() {
        "boot" => ["casper", "live", "overlay"].contains(&value),
        "root" => value.starts_with("live:"),
        "rd.live.image" | "archisobasedir" => true,
        "overlayroot" => !["", "disabled"].contains(&value),
        _ => false,
    }
}

fn root(host: &HostView) -> Result<Option<Mount>> {
    let mounts = match host.read_lossy(Path::new("/proc/self/mountinfo"))? {
        Some(text) => parse_mountinfo(&text),
        None => parse_fstab(&host.read_lossy(Path::new("/proc/mounts"))?.unwrap_or_default()),
    };
    Ok(mounts.into_iter().rfind(|it| it.point == "/"))
}

/// Containers have an overlay as root, too: only layers that a live system makes count. A `rootfs` alone is no sign: a
/// host may run from its initramfs for good.
fn is_in_memory(root: &Mount) -> bool {
    let layers = |it: &String| {
        let is_layer = ["lowerdir=", "upperdir="].iter().any(|name| it.starts_with(name));
        is_layer && LAYERS.iter().any(|layer| it.contains(layer))
    };
    match root.kind.as_str() {
        "overlay" | "overlayfs" => root.source == "overlayroot" || root.options.iter().any(layers),
        "aufs" | "squashfs" | "ramfs" => true,
        _ => root.source == "/dev/mapper/live-rw",
    }
}
