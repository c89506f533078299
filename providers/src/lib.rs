//! Which mechanisms a Linux distribution uses.
