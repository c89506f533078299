//! `/etc/default/grub`: shell assignments, read as dash reads them, edited only where they are literal.
