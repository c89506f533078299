//! GRUB's environment block, `grubenv`.
