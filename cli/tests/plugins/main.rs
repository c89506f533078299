//! Plugins from outside: the contract, those who break it, the C ABI, trust and the kit.

mod bad;
mod examples;
mod good;
mod handed_over;
mod lab;
mod lua;
mod rights;
mod trust;
