//! The `hoststate` command.

fn main() {}
