//! How hosts boot.

pub(crate) mod bls;
pub(crate) mod choose;
mod default_grub;
pub(crate) mod grub_legacy;
mod grub_menu;
pub(crate) mod grub_mkconfig;
mod grub_text;
pub(crate) mod one_boot;
pub(crate) mod unsupported;
