//! Carrying out a plan: the only writer, its records, and undoing.

pub mod apply;
pub mod give_back;
pub mod host;
pub mod past;
pub mod record;
pub mod report;
pub mod rollback;
