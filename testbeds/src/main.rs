//! The testbeds of hoststate.

fn main() {}
