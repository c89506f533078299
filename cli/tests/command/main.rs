//! The real binary on small host trees: what users and programs meet.

mod after_boot;
mod blacklist;
mod boot_in_vain;
mod boots;
mod check;
mod cut;
mod declarations;
mod exit_status;
mod history;
mod hosts;
mod inspect;
mod intrusion;
mod json;
mod kept;
mod missing;
mod mistakes;
mod next_boot;
mod outcome;
mod refused_boot;
mod rollback;
mod saved_plan;
mod status;
mod support;
mod terminal;
mod text;
mod wrong_inputs;
