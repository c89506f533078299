//! What differs and what would be done about it, as data; and how that is found.

pub mod declared_device;
pub mod diff;
pub mod doubts;
pub mod finding;
pub mod no_longer_declared;
pub mod parameter_change;
pub mod planned;
pub mod scene;
