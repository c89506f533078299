//! Which initramfs image an entry of a generated menu boots a kernel with.

use std::path::{Path, PathBuf};

use hoststate_abi::host_view::HostView;
use hoststate_core::error::Result;

use super::release;
use crate::bootloader::bls::image::located;
use crate::bootloader::grub_menu;

/// Where Red Hat's family and its kin have the menu; the last is a link to it.
const MENUS: [&str; 3] = ["/boot/grub2/grub.cfg", "/boot/grub/grub.cfg", "/etc/grub2-efi.cfg"];

/// Returns the image that the menu's first usual entry of a kernel names; `None` where there is no such entry.
///
/// Kin of Fedora call it otherwise: Mageia boots `/boot/initrd-RELEASE.img`.
pub(crate) fn named_for(host: &HostView, kernel: &str) -> Result<Option<PathBuf>> {
    for menu in MENUS {
        let Some(cfg) = grub_menu::script(host, Path::new(menu))? else { continue };
        let is_its = |it: &&hoststate_core::formats::grub_cfg::MenuEntry| {
            !it.recovery && release(&it.kernel) == Some(kernel)
        };
        if let Some(entry) = cfg.entries.iter().find(is_its) {
            let initrds: Vec<&str> = entry.initrds.iter().map(String::as_str).collect();
            return located(host, &initrds, kernel);
        }
    }
    Ok(None)
}
