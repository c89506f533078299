//! The kernel command line: an ordered list of words with the kernel's quoting.
