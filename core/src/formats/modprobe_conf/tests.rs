//! Tests of modprobe.d, by subject.

mod edits;
mod excerpts;
mod lines;
mod views;
