//! The laws of the engine, on simulated hosts with the mechanisms of real distributions.

mod absent;
mod absent_composites;
mod boots;
mod conformance;
mod converging;
mod failing;
mod lab;
mod planning;
mod pruned;
mod random;
mod reasons;
mod refused_boots;
mod undoing;
