//! zipl of IBM Z: writes kernel, initramfs and parameters into a boot record, whatever else lies about.

use std::path::Path;

use hoststate_core::error::Result;
use hoststate_core::machine::facts;
use hoststate_core::mechanism::distro::{Bootloader, Family};

use super::loader::{Loader, nothing};
use super::signs::Signs;
use super::unsupported::Unsupported;

const CONF: &str = "/etc/zipl.conf";

pub(super) const LOADER: Loader = Loader { name: "zipl", booted, files, contradicted: nothing, mechanism };

fn booted(signs: &Signs<'_>) -> Result<Option<String>> {
    if signs.cmdline().is_none() {
        return Ok(None);
    }
    let vendor = facts::cpu_vendor(signs.host)?.filter(|it| it == "IBM/S390");
    Ok(vendor.map(|it| format!("/proc/cpuinfo has vendor_id {it}")))
}

fn files(signs: &Signs<'_>) -> Result<Option<String>> {
    Ok(signs.first_of(&[CONF])?.map(|it| format!("{it} is there")))
}

fn mechanism(signs: &Signs<'_>, shown: &str) -> Result<Box<dyn Bootloader>> {
    let hint = match signs.family {
        Family::Redhat if !signs.host.list(Path::new("/boot/loader/entries"))?.is_empty() => {
            "Run `grubby --update-kernel=ALL --args=\"…\"`, then `zipl`."
        }
        _ => "Add the kernel parameters to `parameters` in /etc/zipl.conf, then run `zipl`.",
    };
    Ok(Unsupported::boxed(
        "zipl",
        format!("this host is booted by zipl, which keeps the kernel parameters in its record ({shown})"),
        hint,
    ))
}
