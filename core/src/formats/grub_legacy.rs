//! GRUB legacy's `grub.conf`: stanzas and their `kernel` lines.
