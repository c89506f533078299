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
    /// Who it is.
    #[serde(flatten)]
    pub identity: Identity,
}
