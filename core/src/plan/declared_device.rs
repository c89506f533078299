//! The devices that declarations are about, as they were when a plan was made.

use hoststate_abi::pci_address::PciAddress;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::language::declaration::ResourceId;
use crate::machine::identity::Identity;

/// A device that a declaration is about.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct DeclaredDevice {
    /// The resource.
    pub resource: ResourceId,
    /// Where the device is.
    #[schemars(with = "String")]
    pub address: PciAddress,
    /// What it is called, such as `NVIDIA GK107GL [Quadro K600]`; absent where nothing is planned for it or nobody knows its
    /// vendor.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Who it is.
    #[serde(flatten)]
    pub identity: Identity,
}
