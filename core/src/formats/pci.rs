//! PCI ids and modaliases: one flat vocabulary over the submodules that own its parts.

mod class;
mod id;
mod pattern;
#[cfg(test)]
mod tests;

pub use self::class::class_name;
pub use self::id::PciId;
pub use self::pattern::{IdList, PCI_ID_FORMAT, PciIdPattern, parse_id_list};

/// Text that is not the PCI id or modalias it should be.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PciError {
    /// Not `vendor:device[:subvendor[:subdevice[:class[:mask]]]]`.
    #[error(
        "`{0}` is not a PCI id, expected `vendor:device[:subvendor[:subdevice[:class[:mask]]]]` in hexadecimal such as `10de:0ffc`"
    )]
    IdPattern(String),
    /// Not the modalias of a PCI device.
    #[error("`{0}` is not the modalias of a PCI device, expected `pci:v…d…sv…sd…bc…sc…i…`")]
    Modalias(String),
}
