//! proxmox-boot-tool: keeps copies of kernels and menus on EFI system partitions; GRUB or systemd-boot starts them.

use std::path::Path;

use hoststate_core::error::Result;
use hoststate_core::machine::facts::Firmware;

use super::signs::Signs;
use super::unsupported::Unsupported;

const UUIDS: &str = "/etc/kernel/proxmox-boot-uuids";

/// Returns what such a host wants. systemd-boot reads `/etc/kernel/cmdline`, GRUB the copies that are made from
/// `/etc/default/grub`: on BIOS and with Secure Boot (Proxmox VE, Host Bootloader).
///
/// # Errors
/// When a file that tells cannot be read.
pub(super) fn refused(signs: &Signs<'_>) -> Result<Option<Unsupported>> {
    if !signs.host.exists(Path::new(UUIDS))? {
        return Ok(None);
    }
    let info = signs.loader_info()?;
    let grub = "Add the kernel parameters to GRUB_CMDLINE_LINUX_DEFAULT in /etc/default/grub and run \
                `proxmox-boot-tool refresh`.";
    let systemd = "Add the kernel parameters to the one line of /etc/kernel/cmdline and run `proxmox-boot-tool refresh`.";
    let told = |by: &str, sign: String, hint: &str| Unsupported {
        name: "proxmox-boot-tool",
        what: format!("this host boots by proxmox-boot-tool ({UUIDS}) with {by} ({sign})"),
        hint: hint.to_owned(),
    };
    let is_systemd = info.as_ref().is_some_and(|it| it.contains("systemd-boot"));
    Ok(Some(match (signs.boot_image(), signs.efi_initrd(), info) {
        (Some(image), None, _) if !is_systemd => {
            told("GRUB", format!("BOOT_IMAGE={image} in /proc/cmdline"), grub)
        }
        (None, Some(initrd), _) => told("systemd-boot", format!("{initrd} in /proc/cmdline"), systemd),
        (None, None, Some(info)) if is_systemd => {
            told("systemd-boot", format!("LoaderInfo is {info}"), systemd)
        }
        _ if signs.firmware == Some(Firmware::Bios) => {
            told("GRUB", "no /sys/firmware/efi".to_owned(), grub)
        }
        _ => Unsupported {
            name: "proxmox-boot-tool",
            what: format!("this host boots by proxmox-boot-tool ({UUIDS}), and nothing shows with which loader"),
            hint: "See `proxmox-boot-tool status`. For grub add the kernel parameters to GRUB_CMDLINE_LINUX_DEFAULT in \
                   /etc/default/grub, for uefi (systemd-boot) to the one line of /etc/kernel/cmdline; then run \
                   `proxmox-boot-tool refresh`."
                .to_owned(),
        },
    }))
}
