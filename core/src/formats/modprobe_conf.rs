//! modprobe.d: one file, and what all directories together mean to kmod.
