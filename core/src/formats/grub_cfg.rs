//! The generated `grub.cfg`: its menu entries and their `linux` lines.
