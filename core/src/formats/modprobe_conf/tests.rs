//! Tests of modprobe.d, by subject.

mod edits;
mod lines;
mod views;
