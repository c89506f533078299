//! What a playbook says: declarations, resource types, selectors.

pub mod contradiction;
pub mod declaration;
pub mod ensure;
pub mod external_type;
pub mod field_error;
pub mod fields;
pub mod item;
pub mod json_playbook;
pub mod notation;
pub mod parts;
pub mod registry;
pub(crate) mod repair;
pub mod resource;
pub mod selector;
