//! The words that hoststate and its plugins share: settings, steps, activations and the view of a host.

pub mod about;
pub mod activation;
pub mod description;
pub mod export;
pub mod host_view;
pub mod lines;
pub mod message;
pub mod pci_address;
pub mod plugin;
pub mod setting;
pub mod step;
