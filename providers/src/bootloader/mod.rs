//! How hosts boot: THE TABLE of what starts kernels, one file each.

pub(crate) mod bls;
pub(crate) mod choose;
mod default_grub;
mod efi_stub;
mod extlinux;
mod grub2;
mod grub_lead;
pub(crate) mod grub_legacy;
mod grub_menu;
pub(crate) mod grub_mkconfig;
mod grub_play;
mod grub_text;
pub(crate) mod loader;
pub(crate) mod one_boot;
mod other_menu;
pub(crate) mod owners;
mod proxmox_boot_tool;
mod raspberry_pi;
mod refind;
mod signs;
mod systemd_boot;
mod u_boot;
mod unified_image;
pub(crate) mod unsupported;
mod xen_efi;
mod zipl;

use loader::Loader;

/// THE TABLE. Who starts the kernel is told by what the running boot shows, then by files; the order only sorts what is
/// said where two contradict each other.
const LOADERS: &[Loader] = &[
    grub2::LOADER,
    grub_legacy::LOADER,
    systemd_boot::LOADER,
    unified_image::LOADER,
    refind::LOADER,
    efi_stub::LOADER,
    xen_efi::LOADER,
    zipl::LOADER,
    extlinux::LOADER,
    u_boot::LOADER,
    raspberry_pi::LOADER,
];
