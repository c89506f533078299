//! What differs and what would be done about it, as data; and how that is found.

pub mod diff;
pub mod doubts;
pub(crate) mod missing;
pub mod outlook;
pub mod planned;
pub mod planner;
pub mod scene;
